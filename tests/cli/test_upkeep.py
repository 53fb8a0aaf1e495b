"""verify, collect, backup and restore, while a server runs on the same data."""

import random
from pathlib import Path

import pytest

from tests.serving import Served, attempt, run, served

SIZES = (0, 900, 50_000, 300_000, 1_500_000)


def body(number: int) -> bytes:
    return random.Random(number).randbytes(SIZES[number % len(SIZES)])


def fill(server: Served, account: str, count: int = 10) -> dict[str, int]:
    """Attachments of an account, by id, with the number that their bytes are made of."""
    with server.client(server.token(account=account)) as http:
        made = [
            http.post("/v1/attachments", params={"name": f"{number}"}, content=body(number)) for number in range(count)
        ]
    return {answer.json()["id"]: number for number, answer in enumerate(made)}


def assert_holds(server: Served, account: str, expected: dict[str, int]) -> None:
    with server.client(server.token(account=account)) as http:
        for id, number in expected.items():
            assert http.get(f"/v1/attachments/{id}/content").content == body(number)


def test_verify_finds_nothing_wrong_with_what_is_right(server: Served) -> None:
    fill(server, "right")
    printed = run("verify", "--data", server.data)
    assert printed.endswith("bytes read: all is well\n")
    quick = run("verify", "--data", server.data, "--quick", "--rate", "50MiB", "--grace-hours", "0.5")
    assert " 0 bytes read: all is well" in quick


def test_damage_is_found_not_served_and_mended_from_a_backup(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        kept = fill(server, "acme", 5)
        run("backup", "--data", server.data, tmp_path / "backup")
        large = next(path for path in (server.data / "blobs").rglob("*-*") if path.stat().st_size == 1_500_000)
        damage(large)
        found = attempt("verify", "--data", server.data)
        assert found.returncode == 1
        assert "all is well" not in found.stdout
        with server.client() as http:
            statuses = [http.get(f"/v1/attachments/{id}/content").status_code for id in kept]
            assert sorted(statuses) == [200, 200, 200, 200, 500]
        source = ("--repair", str(tmp_path / "backup"))
        asked = attempt("verify", "--data", server.data, *source)
        assert (asked.returncode, asked.stdout) == (2, "")
        plan = attempt("verify", "--data", server.data, *source, "--dry-run")
        assert "bring 1 contents (1500000 bytes) back" in plan.stdout
        assert plan.returncode == 1
        mended = attempt("verify", "--data", server.data, *source, "--recount", "--yes")
        assert (mended.returncode, "1 contents brought back" in mended.stdout) == (0, True)
        assert_holds(server, "acme", kept)
        assert run("verify", "--data", server.data).endswith("all is well\n")


def damage(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\0" * 100)


def test_collect_removes_what_nobody_can_ask_for_and_says_so_before(server: Served) -> None:
    gone = fill(server, "collecting")
    kept = fill(server, "keeping")
    with server.client(server.token(account="collecting")) as http:
        for id in gone:
            assert http.delete(f"/v1/attachments/{id}", params={"purge": "true"}).status_code == 204
    before = files_in(server.data / "blobs")
    shown = run("collect", "--data", server.data, "--dry-run", "--grace-hours", "0")
    assert " unused contents would go (" in shown
    assert files_in(server.data / "blobs") == before
    removed = run("collect", "--data", server.data, "--grace-hours", "0", "--compact-below", "100")
    assert " unused contents removed (" in removed
    assert sum(files_in(server.data / "blobs").values()) < sum(before.values())
    assert_holds(server, "keeping", kept)
    assert run("collect", "--data", server.data, "--grace-hours", "1e5").startswith("0 attachments past their time")


def files_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_a_backup_is_taken_while_it_serves_and_comes_back_whole(server: Served, tmp_path: Path) -> None:
    kept = fill(server, "backed-up")
    first = run("backup", "--data", server.data, tmp_path / "backup")
    assert " copied (" in first
    more = fill(server, "after", 7)
    again = run("backup", "--data", server.data, tmp_path / "backup", "--check")
    assert ", 0 lost\n" in again
    drill = run("restore", "--drill", "--scratch", tmp_path, tmp_path / "backup")
    assert drill.endswith("every digest and every row is right\n")
    assert [path.name for path in tmp_path.iterdir()] == ["backup"], "a drill leaves nothing"
    printed = run("restore", "--data", tmp_path / "new", tmp_path / "backup")
    assert f" contents restored to {tmp_path / 'new'}: " in printed
    with served(tmp_path / "new") as restored:
        assert_holds(restored, "backed-up", kept)
        assert_holds(restored, "after", more)


@pytest.mark.parametrize("what", ["data", "a file", "an empty folder"])
def test_a_restore_takes_nothing_away_and_needs_a_backup(server: Served, tmp_path: Path, what: str) -> None:
    run("backup", "--data", server.data, tmp_path / "backup")
    (tmp_path / "new").mkdir()
    source = tmp_path / "backup"
    if what == "an empty folder":
        source = tmp_path / "empty"
        source.mkdir()
    else:
        (tmp_path / "new" / ("catalog.sqlite" if what == "data" else "x")).write_bytes(b"mine")
    before = files_in(tmp_path / "new")
    ended = attempt("restore", "--data", tmp_path / "new", source)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("holdfast: ")
    assert ended.stderr.count("\n") == 1
    assert files_in(tmp_path / "new") == before
