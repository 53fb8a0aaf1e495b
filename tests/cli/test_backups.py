"""`backup` and `restore`: whole under load, incremental, taken up again after a kill, and drilled."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import httpx
import pytest

from tests.cli.holdings import held_by
from tests.serving import Served, attempt, run, served, started

LARGE = 300 * 1024
_SECONDS = 60


def upload(client: httpx.Client, data: bytes) -> str:
    answer = client.post("/v1/attachments", params={"name": "file"}, content=data)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def marker(target: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((target / "backup.json").read_text())
    return found


def contents(data: Path) -> dict[str, str]:
    """The digest of each attachment's bytes by its id, as a server on that folder gives them out."""
    with served(data) as server, server.client() as client:
        return held_by(client)


def some_tree(folder: Path, large: int, small: int) -> Path:
    folder.mkdir()
    for n in range(large):
        (folder / f"large {n}").write_bytes(os.urandom(LARGE))
    for n in range(small):
        (folder / f"small {n}").write_bytes(os.urandom(1000 + n))
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that no server uses. Tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("filled")
    run("import", "--data", folder / "data", "--account", "acme", some_tree(folder / "tree", 20, 20))
    return folder / "data"


@pytest.fixture(scope="module")
def backed_up(filled: Path) -> Path:
    """A complete backup of it. Tests copy it before they change it."""
    run("backup", "--data", filled, filled.parent / "backup")
    return filled.parent / "backup"


def own(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / f"own {folder.name}"))


def a_file_of(target: Path) -> Path:
    path = next((target / "blobs").glob("*/*/*-*"))
    path.chmod(0o600)
    return path


# ---------------------------------------------------------------- out and back


def test_a_backup_under_load_holds_all_that_was_acknowledged_before_it(server: Served, tmp_path: Path) -> None:
    """Uploads, replacements and deletes go on while it is taken; what is restored is whole, and of one moment."""
    done = threading.Event()
    token = server.token()
    acknowledged: dict[str, bytes] = {}
    purged: list[str] = []

    def load(seed: int) -> None:
        with server.client(token) as client:
            n = 0
            while not done.is_set():
                n += 1
                data = f"{seed} {n} ".encode() * (40_000 if n % 5 == 0 else 40)
                acknowledged[upload(client, data)] = data
                if n % 3 == 0:
                    id = upload(client, b"gone " + data)
                    assert client.delete(f"/v1/attachments/{id}", params={"purge": "true"}).status_code < 300
                    purged.append(id)

    threads = [threading.Thread(target=load, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    try:
        _until(lambda: len(acknowledged) > 100)
        before, gone = dict(acknowledged), list(purged)
        run("backup", "--data", server.data, tmp_path / "backup")
        again = dict(acknowledged)
        run("backup", "--data", server.data, tmp_path / "backup")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert len(again) > len(before)
    run("restore", tmp_path / "backup", "--data", tmp_path / "restored")
    run("verify", "--data", tmp_path / "restored", "--grace-hours", "0")
    found = contents(tmp_path / "restored")
    for id, data in again.items():
        assert found[id] == hashlib.sha256(data).hexdigest()
    assert not set(gone) & set(found)
    assert before.items() <= again.items()


def _until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_second_run_copies_only_what_is_new(filled: Path, tmp_path: Path) -> None:
    data, target = own(filled, tmp_path), tmp_path / "backup"
    assert "40 copied" in run("backup", "--data", data, target)
    before = {path: path.stat().st_mtime_ns for path in (target / "blobs").rglob("*-*")}
    run("import", "--data", data, "--account", "umbra", some_tree(tmp_path / "more", 2, 3))
    shown = run("backup", "--data", data, target)
    assert "5 copied" in shown
    assert "40 there before" in shown
    after = {path: path.stat().st_mtime_ns for path in (target / "blobs").rglob("*-*")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 2
    assert len(list(target.glob("catalog-*.sqlite"))) == 1
    run("restore", "--drill", target)


def test_what_is_restored_is_what_was_there(filled: Path, backed_up: Path, tmp_path: Path) -> None:
    shown = run("restore", backed_up, "--data", tmp_path / "restored")
    assert shown.startswith("40 of 40 contents restored")
    assert sorted(path.name for path in (tmp_path / "restored").iterdir()) == ["blobs", "catalog.sqlite"]
    run("export", "--data", tmp_path / "restored", "--account", "acme", tmp_path / "out")
    tree = filled.parent / "tree"
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        path.name: path.read_bytes() for path in tree.iterdir()
    }


def test_two_backups_at_once_to_two_folders_are_both_whole(filled: Path, tmp_path: Path) -> None:
    data = own(filled, tmp_path)
    with started(("backup", "--data", str(data), str(tmp_path / "one")), tmp_path / "log") as other:
        run("backup", "--data", data, tmp_path / "two")
        assert other.wait(_SECONDS) == 0
    for name in ("one", "two"):
        run("restore", "--drill", tmp_path / name)


# ---------------------------------------------------------------- cut short


def test_a_backup_that_was_killed_goes_on_and_the_one_before_stays(filled: Path, tmp_path: Path) -> None:
    data, target = own(filled, tmp_path), tmp_path / "backup"
    run("backup", "--data", data, target)
    first = marker(target)
    run("import", "--data", data, "--account", "umbra", some_tree(tmp_path / "more", 300, 20))
    _kill_when(("backup", "--data", str(data), str(target)), target / "blobs", 50, tmp_path / "log")
    assert marker(target) == first
    run("restore", "--drill", target)
    shown = run("backup", "--data", data, target)
    kept = int(shown.split(" there before")[0].rpartition(" ")[2])
    assert 40 < kept < 360
    assert marker(target)["blobs"] == 360
    assert list((target / "blobs" / "tmp").iterdir()) == []
    run("restore", "--drill", target)


def test_a_restore_that_was_killed_goes_on(filled: Path, tmp_path: Path) -> None:
    data, target, restored = own(filled, tmp_path), tmp_path / "backup", tmp_path / "restored"
    run("import", "--data", data, "--account", "umbra", some_tree(tmp_path / "more", 300, 20))
    run("backup", "--data", data, target)
    _kill_when(("restore", str(target), "--data", str(restored)), restored / "blobs", 30, tmp_path / "log")
    refused = attempt("serve", "--data", restored, "--port", "0")
    assert (refused.returncode, "is being restored" in refused.stderr) == (2, True)
    shown = run("restore", target, "--data", restored)
    assert int(shown.split(" there before")[0].rpartition(" ")[2]) > 0
    run("verify", "--data", restored)
    finished = restored / "restoring"
    finished.mkdir()
    (finished / "origin").write_text(str(marker(target)["catalog_sha256"]))
    assert "360 there before" in run("restore", target, "--data", restored)
    assert not finished.exists()


def _kill_when(command: tuple[str, ...], blobs: Path, files: int, log: Path) -> None:
    """Start a command and kill it once there are that many more files."""
    before = len(list(blobs.rglob("*-*")))
    with started(command, log) as process:
        _until(lambda: len(list(blobs.rglob("*-*"))) >= before + files or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(_SECONDS)


# ---------------------------------------------------------------- the drill


def test_a_drill_finds_nothing_wrong_and_leaves_nothing(backed_up: Path, tmp_path: Path) -> None:
    before = _state(backed_up)
    shown = run("restore", "--drill", backed_up, "--scratch", tmp_path)
    assert shown.endswith("every digest and every row is right\n")
    assert list(tmp_path.iterdir()) == []
    assert _state(backed_up) == before


def _state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped byte": lambda target: a_file_of(target).write_bytes(b"x" + a_file_of(target).read_bytes()[1:]),
    "a file cut short": lambda target: os.truncate(a_file_of(target), LARGE - 1),
    "a file gone": lambda target: a_file_of(target).unlink(),
    "a segment gone": lambda target: next((target / "blobs" / "segments").iterdir()).unlink(),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_drill_finds_damage(backed_up: Path, tmp_path: Path, name: str) -> None:
    target = own(backed_up, tmp_path)
    DAMAGES[name](target)
    ended = attempt("restore", "--drill", target, "--scratch", tmp_path)
    assert ended.returncode == 1
    assert "damaged  " in ended.stderr


def test_a_checked_backup_mends_a_damaged_one(filled: Path, backed_up: Path, tmp_path: Path) -> None:
    target = own(backed_up, tmp_path)
    DAMAGES["a flipped byte"](target)
    DAMAGES["a segment gone"](target)
    assert attempt("restore", target, "--data", tmp_path / "partly").returncode == 1
    run("backup", "--data", filled, target)
    shown = run("backup", "--data", filled, target, "--check")
    assert "21 copied" in shown
    run("restore", "--drill", target)


@pytest.mark.parametrize("damage", ["flipped", "gone", "marker gone", "marker torn", "marker outside", "later format"])
def test_a_damaged_catalog_or_marker_is_refused(backed_up: Path, tmp_path: Path, damage: str) -> None:
    target = own(backed_up, tmp_path)
    catalog, told = target / str(marker(target)["catalog"]), marker(target)
    if damage == "flipped":
        catalog.write_bytes(catalog.read_bytes()[:-1] + b"x")
    elif damage == "gone":
        catalog.unlink()
    elif damage == "marker gone":
        (target / "backup.json").unlink()
    elif damage == "marker torn":
        (target / "backup.json").write_text("{")
    else:
        changed = {"catalog": "../elsewhere.sqlite"} if damage == "marker outside" else {"format": 2}
        (target / "backup.json").write_text(json.dumps(told | changed))
    for command in (("restore", "--drill", target), ("restore", target, "--data", tmp_path / "restored")):
        ended = attempt(*command)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert len(ended.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "restored" / "catalog.sqlite").exists()


# ---------------------------------------------------------------- refusals


def test_a_folder_that_is_not_empty_is_not_restored_to(backed_up: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "holdfast.toml").write_text("port = 1")
    (data / "precious").write_text("x")
    ended = attempt("restore", backed_up, "--data", data)
    assert (ended.returncode, "is not empty" in ended.stderr) == (2, True)
    assert sorted(path.name for path in data.iterdir()) == ["holdfast.toml", "precious"]
    (data / "precious").unlink()
    run("restore", backed_up, "--data", data)
    ended = attempt("restore", backed_up, "--data", data)
    assert (ended.returncode, "is not empty" in ended.stderr) == (2, True)


def test_a_folder_with_other_things_takes_no_backup(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    ended = attempt("backup", "--data", filled, tmp_path)
    assert (ended.returncode, "holds other things (precious)" in ended.stderr) == (2, True)


def test_another_installation_s_backup_is_not_written_over(filled: Path, backed_up: Path, tmp_path: Path) -> None:
    target = own(backed_up, tmp_path)
    run("import", "--data", tmp_path / "other", "--account", "acme", some_tree(tmp_path / "tree", 1, 1))
    before = marker(target)
    ended = attempt("backup", "--data", tmp_path / "other", target)
    assert (ended.returncode, "of another installation" in ended.stderr) == (2, True)
    assert marker(target) == before
    run("restore", "--drill", target)


def test_one_folder_takes_one_backup_at_a_time(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    target.mkdir()
    with subprocess.Popen(["flock", str(target / "lock"), "sleep", "60"]) as holder:
        _until((target / "lock").exists)
        try:
            _until(lambda: attempt("backup", "--data", filled, target).returncode == 2)
            assert "another backup is being written" in attempt("backup", "--data", filled, target).stderr
        finally:
            holder.terminate()


def test_contents_that_were_lost_before_are_said_and_the_rest_is_kept(filled: Path, tmp_path: Path) -> None:
    data, target = own(filled, tmp_path), tmp_path / "backup"
    a_file_of(data).unlink()
    ended = attempt("backup", "--data", data, target)
    assert ended.returncode == 1
    assert "39 copied" in ended.stdout
    assert ended.stdout.strip().endswith("1 lost")
    assert len(list(marker(target)["lost"])) == 1  # type: ignore[call-overload]
    assert attempt("restore", target, "--data", tmp_path / "restored").returncode == 1
    with contextlib.closing(apsw.Connection(str(tmp_path / "restored" / "catalog.sqlite"))) as connection:
        assert connection.execute("SELECT count(*) FROM blobs WHERE damaged_at IS NOT NULL").get == 1
