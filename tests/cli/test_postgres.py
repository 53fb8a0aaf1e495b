"""The commands and the server on a PostgreSQL catalog."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.engines.postgres import fresh_database, own_cluster, server, url_of
from tests.serving import attempt, run, served


def configured(folder: Path, url: str) -> Path:
    """A data folder whose file of settings names the database."""
    folder.mkdir(mode=0o700)
    (folder / "holdfast.toml").write_text(f'catalog = "{url}"\n', encoding="utf-8")
    return folder


@pytest.fixture
def database() -> Iterator[str]:
    with fresh_database() as dsn:
        yield dsn


@pytest.fixture
def empty() -> Iterator[str]:
    name = server().empty()
    yield server().dsn(name)
    server().drop(name)


def test_an_empty_database_is_migrated_once(tmp_path: Path, empty: str) -> None:
    data = configured(tmp_path / "data", url_of(empty))
    refused = attempt("collect", "--data", data)
    assert (refused.returncode, refused.stderr) == (
        2,
        "holdfast: catalog: there is no installation in this database; holdfast migrate makes one\n",
    )
    assert run("migrate", "--data", data).startswith("Migrated the schema from version 0 to ")
    assert run("migrate", "--data", data).startswith("The schema is up to date")


def test_a_file_goes_in_and_comes_out_and_a_revoked_token_opens_nothing(tmp_path: Path, database: str) -> None:
    data = configured(tmp_path / "data", url_of(server().as_server(database)))
    with served(data, "--workers", "2") as running:
        token = run("token", "create", "--data", data, "--account", "acme", "--name", "n", "--allow", "*").strip()
        with httpx.Client(base_url=running.base, headers={"Authorization": f"Bearer {token}"}) as client:
            sent = client.post(
                "/v1/attachments", files={"file": ("Straße 1.txt", b"hello")}, headers={"Idempotency-Key": "k"}
            )
            assert sent.status_code == 201
            path = f"/v1/attachments/{sent.json()['id']}"
            assert client.get(f"{path}/content").content == b"hello"
            assert [each["id"] for each in client.get("/v1/attachments?q=strasse").json()["items"]] == [
                sent.json()["id"]
            ]
            listed = run("token", "list", "--data", data, "--account", "acme")
            run("token", "revoke", "--data", data, "--account", "acme", listed.split("\t")[0])
            assert client.get(path).status_code == 401
    assert "all is well" in run("verify", "--data", data)
    assert "removed" in run("collect", "--data", data)


def test_doctor_says_what_the_database_is_like(tmp_path: Path, database: str) -> None:
    ordinary = configured(tmp_path / "data", url_of(server().as_server(database)))
    told = attempt("doctor", "--data", ordinary).stdout
    assert "ok       catalog: PostgreSQL" in told
    assert "wall between accounts" not in told
    owner = configured(tmp_path / "owner", url_of(database))
    assert "warning  wall between accounts" in attempt("doctor", "--data", owner).stdout


def test_backup_says_how_it_is_done_here(tmp_path: Path, database: str) -> None:
    data = configured(tmp_path / "data", url_of(database))
    refused = attempt("backup", "--data", data, tmp_path / "backup")
    assert refused.returncode == 2
    assert "pg_dump" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "backup" / "backup.json").exists()


@pytest.mark.parametrize("command", [("migrate",), ("token", "list", "--account", "acme"), ("serve", "--port", "0")])
def test_what_is_wrong_with_the_setting_is_one_line(tmp_path: Path, database: str, command: tuple[str, ...]) -> None:
    for n, (wrong, said) in enumerate(
        [
            ("postgresql://u:hush%zz@127.0.0.1/x", "not a connection string"),
            ("postgresql://u:hush@127.0.0.1:1/x", "refused"),
            (url_of(database).replace("holdfast_test", "nowhere", 1), "does not exist"),
        ]
    ):
        refused = attempt(*command, "--data", configured(tmp_path / str(n), wrong))
        assert refused.returncode == 2
        assert refused.stderr.startswith("holdfast: catalog: ")
        assert said in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert "hush" not in refused.stderr + refused.stdout


def test_a_wrong_password_is_told_and_a_server_outlives_its_database(tmp_path: Path) -> None:
    with own_cluster() as cluster:
        refused = attempt("migrate", "--data", configured(tmp_path / "no", cluster.url("postgres", password="hush")))
        assert (refused.returncode, "password authentication failed" in refused.stderr) == (2, True)
        assert "hush" not in refused.stderr
        data = configured(tmp_path / "data", cluster.url("postgres"))
        with served(data) as running:
            token = run("token", "create", "--data", data, "--account", "acme", "--name", "n", "--allow", "*").strip()
            with httpx.Client(
                base_url=running.base, headers={"Authorization": f"Bearer {token}"}, timeout=30
            ) as client:
                assert client.get("/v1/me").status_code == 200
                cluster.stop(signal.SIGKILL)
                away = client.get("/v1/me")
                assert away.status_code == 503
                assert "Retry-After" in away.headers
                cluster.start()
                answers = [client.get("/v1/me").status_code for _ in range(20)]
                assert set(answers) <= {200, 503}
                assert answers[-1] == 200
