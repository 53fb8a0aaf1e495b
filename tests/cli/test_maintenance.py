"""Looking after an installation: migrate, doctor, openapi."""

import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.app import dialect_names
from holdfast.cli.commands import app
from tests.serving import attempt, run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    run("migrate", "--data", folder)
    return folder


def make_diagnosis(folder: Path) -> tuple[int, str]:
    ended = attempt("doctor", "--data", folder)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_migrate_makes_the_catalog_once(tmp_path: Path) -> None:
    assert run("migrate", "--data", tmp_path / "d").startswith("Migrated the schema from version 0 to ")
    assert run("migrate", "--data", tmp_path / "d").startswith("The schema is up to date (version ")


def test_a_catalog_of_a_newer_holdfast_is_left_alone(data: Path) -> None:
    with sqlite3.connect(data / "catalog.sqlite") as catalog:
        catalog.execute("INSERT INTO schema_versions VALUES (9999, 'later')")
    before = (data / "catalog.sqlite").read_bytes()
    for ended in (attempt("migrate", "--data", data), attempt("serve", "--data", data)):
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("holdfast: catalog: ")
    assert (data / "catalog.sqlite").read_bytes() == before
    code, text = make_diagnosis(data)
    assert code == 1
    assert "error    schema: Version 9999 is newer than " in text
    assert "-> Install a newer Holdfast" in text


def test_doctor_finds_nothing_wrong_with_a_new_installation(data: Path) -> None:
    (data / "blobs").mkdir(mode=0o700)
    code, text = make_diagnosis(data)
    assert code == 0
    assert {line.split()[0] for line in text.splitlines()} == {"ok"}


def test_doctor_says_what_will_be_made(tmp_path: Path) -> None:
    code, text = make_diagnosis(tmp_path / "new")
    assert code == 0
    assert "warning  data folder: " in text
    assert "-> It is made when the server first starts" in text
    assert not (tmp_path / "new").exists()


def test_doctor_warns_of_a_folder_that_is_open_to_all(data: Path) -> None:
    data.chmod(0o755)
    assert f"-> chmod o-rwx {data}" in make_diagnosis(data)[1]


def test_doctor_finds_a_damaged_catalog(data: Path) -> None:
    path = data / "catalog.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 8000 + whole[8100:])
    code, text = make_diagnosis(data)
    assert code == 1
    assert "-> Stop the server and restore the catalog from a backup" in text


def test_doctor_finds_what_is_no_catalog(data: Path) -> None:
    (data / "catalog.sqlite").write_bytes(b"something else altogether " * 1000)
    code, text = make_diagnosis(data)
    assert code == 1
    assert "-> Restore the catalog from a backup" in text


def test_doctor_finds_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, text = make_diagnosis(tmp_path / "file" / "data")
    assert code == 1
    assert "error    data folder: " in text


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_doctor_warns_of_few_open_files(data: Path) -> None:
    shown = attempt("doctor", "--data", data, within=(sys.executable, "-c", LIMITED)).stdout
    assert "warning  open files: The limit is 256" in shown
    assert "-> Raise it: ulimit -n 65536, or LimitNOFILE in systemd" in shown


@pytest.mark.parametrize("closed", [".", "blobs"])
def test_doctor_finds_a_folder_of_another_user(data: Path, closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "blobs").mkdir(mode=0o700)
    # Root may write everywhere, so the check gets the answer that another user would.
    allowed = os.access

    def access(path: str | Path, mode: int) -> bool:
        return not (Path(path) == data / closed and mode & os.W_OK) and allowed(path, mode)

    monkeypatch.setattr(os, "access", access)
    ended = CliRunner().invoke(app, ["doctor", "--data", str(data)])
    assert ended.exit_code == 1
    assert f"-> chown it to the server's user: {data / closed}" in ended.stdout


@pytest.mark.parametrize("name", dialect_names())
def test_openapi_prints_the_document_of_one_api(name: str) -> None:
    document = json.loads(run("openapi", name, "--url", "https://files.example.com"))
    assert document["openapi"].startswith("3.1")
    assert document["servers"][0]["url"].startswith("https://files.example.com")
    assert document["paths"]


def test_openapi_prints_the_native_one_unless_told() -> None:
    assert run("openapi") == run("openapi", "native", "--url", "http://127.0.0.1:8080")
