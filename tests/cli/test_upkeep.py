"""`verify` and `collect` as an operator uses them, beside a server that runs."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import httpx
import pytest

from tests.serving import Served, attempt, run, served

LARGE = 300 * 1024


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as ready:
        yield ready


def upload(client: httpx.Client, name: str, data: bytes) -> str:
    answer = client.post("/v1/attachments", params={"name": name}, content=data)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def purge(client: httpx.Client, id: str) -> None:
    assert client.delete(f"/v1/attachments/{id}", params={"purge": "true"}).status_code in (200, 204)


def file_of(data: Path, content: bytes) -> Path:
    """The file that holds a large content."""
    return next(path for path in (data / "blobs").glob("*/*/*-*") if path.read_bytes() == content)


def flip(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(bytes([path.read_bytes()[0] ^ 1]))


def tell(data: Path, sql: str) -> None:
    """Change rows behind the server's back."""
    with contextlib.closing(apsw.Connection(str(data / "catalog.sqlite"))) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute(sql).fetchall()


def test_a_sound_installation_is_well(server: Served, client: httpx.Client) -> None:
    upload(client, "sound", os.urandom(LARGE))
    upload(client, "small", os.urandom(100))
    assert run("verify", "--data", server.data).endswith("all is well\n")
    shown = run("verify", "--data", server.data, "--quick")
    assert " 0 bytes read: all is well" in shown


def test_damage_is_told_marked_and_mended_from_a_backup(server: Served, client: httpx.Client, tmp_path: Path) -> None:
    content = os.urandom(LARGE)
    id = upload(client, "precious", content)
    run("backup", "--data", server.data, tmp_path / "backup")
    flip(file_of(server.data, content))
    ended = attempt("verify", "--data", server.data, "--dry-run")
    assert (ended.returncode, "1 damaged" in ended.stdout) == (1, True)
    ended = attempt("verify", "--data", server.data)
    assert (ended.returncode, "1 damaged" in ended.stdout) == (1, True)
    assert client.get(f"/v1/attachments/{id}/content").status_code >= 500
    refused = attempt("verify", "--data", server.data, "--repair", tmp_path / "backup")
    assert (refused.returncode, refused.stdout) == (2, "")
    planned = attempt("verify", "--data", server.data, "--repair", tmp_path / "backup", "--dry-run")
    assert planned.returncode == 1
    assert f"plan:\n  bring 1 contents ({LARGE} bytes) back" in planned.stdout
    shown = run("verify", "--data", server.data, "--repair", tmp_path / "backup", "--yes")
    assert "1 contents brought back" in shown
    assert client.get(f"/v1/attachments/{id}/content").content == content
    run("verify", "--data", server.data)
    run("collect", "--data", server.data, "--grace-hours", "0")
    run("verify", "--data", server.data, "--grace-hours", "0")


@pytest.mark.parametrize("spare", ["folder", "url"])
def test_a_second_blob_store_mends_too(server: Served, client: httpx.Client, tmp_path: Path, spare: str) -> None:
    content = os.urandom(LARGE)
    id = upload(client, "copied", content)
    path = file_of(server.data, content)
    copy = tmp_path / "copy" / path.relative_to(server.data / "blobs")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(content)
    path.unlink()
    place = tmp_path / "copy"
    source = str(place) if spare == "folder" else place.as_uri()
    run("verify", "--data", server.data, "--repair", source, "--yes")
    assert client.get(f"/v1/attachments/{id}/content").content == content


def test_what_no_store_has_is_left_and_said(server: Served, client: httpx.Client, tmp_path: Path) -> None:
    content = os.urandom(LARGE)
    id = upload(client, "lost", content)
    file_of(server.data, content).unlink()
    (tmp_path / "empty").mkdir()
    ended = attempt("verify", "--data", server.data, "--repair", tmp_path / "empty", "--yes")
    assert ended.returncode == 1
    assert "0 contents brought back (0 bytes), 1 not found there" in ended.stdout
    missing = attempt("verify", "--data", server.data, "--repair", tmp_path / "nosuch", "--yes")
    assert (missing.returncode, "there is no such folder" in missing.stderr) == (2, True)
    purge(client, id)
    run("collect", "--data", server.data, "--grace-hours", "0")
    run("verify", "--data", server.data)


def test_wrong_counts_are_told_and_set_right(server: Served, client: httpx.Client) -> None:
    upload(client, "counted", b"counted")
    tell(server.data, "UPDATE blobs SET refs = refs + 1 WHERE size = 7")
    tell(server.data, "UPDATE ledgers SET bytes = bytes + 5, attachments = 0")
    ended = attempt("verify", "--data", server.data)
    assert (ended.returncode, "1 ledger, 1 refs" in ended.stdout) == (1, True)
    assert "2 counts set right" in run("verify", "--data", server.data, "--recount", "--yes")
    run("verify", "--data", server.data)


def test_a_catalog_that_is_torn_is_told(server: Served, client: httpx.Client) -> None:
    id = upload(client, "torn", b"torn")
    tell(server.data, f"DELETE FROM attachments WHERE id = '{id}'")
    ended = attempt("verify", "--data", server.data)
    assert ended.returncode == 1
    assert "catalog     a row of versions hangs on a row of attachments that is not there" in ended.stdout
    tell(server.data, "DELETE FROM versions WHERE attachment NOT IN (SELECT key FROM attachments)")
    run("verify", "--data", server.data, "--recount", "--yes")


def test_the_rate_is_taken_with_a_unit(server: Served) -> None:
    run("verify", "--data", server.data, "--rate", "50 MiB")
    ended = attempt("verify", "--data", server.data, "--rate", "fast")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_collecting_shows_first_and_removes_then(server: Served, client: httpx.Client) -> None:
    run("collect", "--data", server.data, "--grace-hours", "0")
    content = os.urandom(LARGE)
    purge(client, upload(client, "gone", content))
    assert "0 unused contents would go" in run("collect", "--data", server.data, "--dry-run")
    shown = run("collect", "--data", server.data, "--dry-run", "--grace-hours", "0")
    assert f"unused contents would go ({LARGE}" in shown
    assert file_of(server.data, content).exists()
    assert "1 unused contents removed" in run("collect", "--data", server.data, "--grace-hours", "0")
    assert content not in [path.read_bytes() for path in (server.data / "blobs").glob("*/*/*-*")]
    assert "0 unused contents removed" in run("collect", "--data", server.data, "--grace-hours", "0")


def test_shared_files_are_rewritten_below_a_share_of_use(tmp_path: Path) -> None:
    """Each command is a process of its own, and leaves a closed segment."""
    source = tmp_path / "source"
    source.mkdir()
    for n in range(10):
        (source / f"{n}").write_bytes(os.urandom(1000))
    data = tmp_path / "data"
    run("import", "--data", data, "--account", "acme", source)
    with_low = run("collect", "--data", data, "--grace-hours", "0", "--compact-below", "0")
    assert "0 shared files rewritten" in with_low
    assert "1 shared files rewritten (10 contents)" in run(
        "collect", "--data", data, "--grace-hours", "0", "--compact-below", "100"
    )
    assert "1 empty shared files removed" in run("collect", "--data", data, "--grace-hours", "0")
    run("verify", "--data", data, "--grace-hours", "0")


@pytest.mark.parametrize("upkeep", ["on", "off"])
def test_a_server_does_both_by_itself_unless_told_not_to(tmp_path: Path, upkeep: str) -> None:
    with served(tmp_path / "data", settings={"HOLDFAST_UPKEEP": upkeep}) as server:
        shown = httpx.get(f"{server.base}/metrics").text
        assert 'holdfast_upkeep_failures_total{duty="collect"} 0.0' in shown
        assert "holdfast_upkeep_verified_bytes_total 0.0" in shown
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("command", ["verify", "collect", "backup"])
def test_a_mistyped_folder_is_refused_and_not_made(tmp_path: Path, command: str) -> None:
    rest = [tmp_path / "target"] if command == "backup" else []
    ended = attempt(command, "--data", tmp_path / "typo", *rest)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no installation in" in ended.stderr
    assert list(tmp_path.iterdir()) == []
