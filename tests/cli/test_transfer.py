"""`import` and `export`: whole trees in and out, byte for byte, while a server runs on the same data."""

import contextlib
import filecmp
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving import Served, attempt, run, started

Names = tuple[str, ...]

NAMES: Names = (
    "Grüße.txt",
    "日本語 の ファイル.txt",
    "ملف.pdf",
    "файл.md",
    "कागज़.txt",
    "👩‍🔧 photo.jpg",
    "e\N{COMBINING ACUTE ACCENT}.txt",
    "\N{LATIN SMALL LETTER E WITH ACUTE}.txt",
    "UPPER.txt",
    "upper.txt",
    " leading and trailing ",
    "trailing.dot.",
    "-rf",
    "--data",
    "50% & 100#?.txt",
    "quote\"and'apostrophe",
    "back\\slash",
    "semi;colon:colon",
    "~",
    ".hidden",
    "x" * 200 + ".txt",
)


@pytest.fixture
def account() -> str:
    """A slug of its own for each test."""
    return f"t{random.getrandbits(48):012x}"


def make_tree(folder: Path) -> Path:
    """A tree with what people have on their disks; every content differs."""
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(b"content %d" % number)
    deep = folder / "a" / "b b" / "c" / "深い"
    deep.mkdir(parents=True)
    (deep / "leaf.bin").write_bytes(random.Random(1).randbytes(700_000))
    (folder / "a" / "same name").write_bytes(b"one")
    (folder / "a" / "b b" / "same name").write_bytes(b"")
    (folder / "empty" / "inside").mkdir(parents=True)
    return folder


def files_of(folder: Path) -> int:
    return sum(path.is_file() and not path.is_symlink() for path in folder.rglob("*"))


def assert_same(one: Path, other: Path) -> None:
    difference = subprocess.run(["diff", "-r", str(one), str(other)], capture_output=True, text=True, check=False)
    assert difference.stdout + difference.stderr == ""


def test_a_tree_comes_back_as_it_went_in(server: Served, account: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    printed = run("import", "--data", server.data, "--account", account, tree)
    assert printed.splitlines()[-1].startswith(f"{files_of(tree)} files uploaded (700")
    run("export", "--data", server.data, "--account", account, tmp_path / "out")
    assert_same(tree, tmp_path / "out")
    again = run("export", "--data", server.data, "--account", account, tmp_path / "out")
    assert again.splitlines()[-1].startswith(f"0 files written (0 bytes), {files_of(tree)} unchanged, ")


def test_the_running_server_has_it_at_once(server: Served, account: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    run("import", "--data", server.data, "--account", account, tree)
    with server.client(server.token(account=account)) as client:
        for name in ("日本語 の ファイル.txt", "50% & 100#?.txt", "quote\"and'apostrophe"):
            found = client.get("/v1/attachments", params={"path": f"/{name}"}).json()["items"]
            content = client.get(f"/v1/attachments/{found[0]['id']}/content").content
            assert (found[0]["name"], content) == (name, (tree / name).read_bytes())
        assert client.get("/v1/folders/empty/inside").json()["items"] == []


def test_a_second_run_uploads_nothing_and_a_changed_file_becomes_version_2(
    server: Served, account: str, tmp_path: Path
) -> None:
    tree = make_tree(tmp_path / "tree")
    run("import", "--data", server.data, "--account", account, tree)
    held = run("account", "show", "--data", server.data, account)
    again = run("import", "--data", server.data, "--account", account, tree)
    assert again.splitlines()[-1].startswith(f"0 files uploaded (0 bytes), {files_of(tree)} unchanged, ")
    assert run("account", "show", "--data", server.data, account) == held
    (tree / "файл.md").write_bytes(b"changed")
    third = run("import", "--data", server.data, "--account", account, tree)
    assert third.splitlines()[-1].startswith(f"1 files uploaded (7 bytes), {files_of(tree) - 1} unchanged, ")
    with server.client(server.token(account=account)) as client:
        items = client.get("/v1/attachments", params={"path": "/файл.md"}).json()["items"]
    assert [item["version"] for item in items] == [2]


def test_what_is_no_file_is_skipped_and_listed(server: Served, account: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "plain").write_bytes(b"x")
    (tree / "link").symlink_to("plain")
    (tree / "dangling").symlink_to("nowhere")
    (tree / "loop").symlink_to(".")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(tree):
        listener.bind("socket")
        ended = attempt("import", "--data", server.data, "--account", account, tree)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    *skipped, summary = ended.stdout.splitlines()
    expected = {"link": "symbolic link", "dangling": "symbolic link", "loop": "symbolic link"}
    expected |= {"pipe": "special file", "socket": "special file"}
    assert sorted(skipped) == sorted(f"skipped  {tree / name}: {reason}" for name, reason in expected.items())
    assert summary == "1 files uploaded (1 bytes), 0 unchanged, 0 folders, 5 skipped, 0 refused"


def test_names_that_cannot_be_kept_are_refused_and_the_rest_goes_in(
    server: Served, account: str, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "bell\a").mkdir(parents=True)
    (tree / "bell\a" / "inside").write_bytes(b"x")
    for raw in (b"fine", b"line\nbreak", b"escape\x1b[2J", b"latin-\xe9"):
        (tree / os.fsdecode(raw)).write_bytes(b"y")
    ended = attempt("import", "--data", server.data, "--account", account, tree)
    assert ended.returncode == 1
    assert "\x1b" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
    refused = [line for line in ended.stderr.splitlines() if line.startswith("refused  ")]
    for name in ("bell\\x07", "line\\nbreak", "escape\\x1b[2J", "latin-"):
        assert any(name in line for line in refused), name
    assert ended.stdout.splitlines()[-1] == "1 files uploaded (1 bytes), 0 unchanged, 0 folders, 0 skipped, 5 refused"
    run("export", "--data", server.data, "--account", account, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fine"]


def test_the_account_limits_hold_and_the_summary_says_why(server: Served, account: str, tmp_path: Path) -> None:
    run("account", "set", "--data", server.data, account, "--max-file-bytes", "10")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "large").write_bytes(b"x" * 11)
    (tmp_path / "tree" / "small").write_bytes(b"x" * 10)
    ended = attempt("import", "--data", server.data, "--account", account, tmp_path / "tree")
    assert ended.returncode == 1
    assert f"refused  {tmp_path / 'tree' / 'large'}: The file is larger than the limit of 10 bytes\n" in ended.stderr
    assert ended.stdout == "1 files uploaded (10 bytes), 0 unchanged, 0 folders, 0 skipped, 1 refused\n"


def test_a_tree_goes_below_a_folder_and_comes_out_of_one(server: Served, account: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    run("import", "--data", server.data, "--account", account, "--to", "/scans/2024", tree)
    run("export", "--data", server.data, "--account", account, "--from", "/scans/2024/", tmp_path / "out")
    assert_same(tree, tmp_path / "out")
    run("export", "--data", server.data, "--account", account, "--from", "/scans", tmp_path / "more" / "above")
    assert_same(tree, tmp_path / "more" / "above" / "2024")


def test_every_file_hangs_on_the_record_once(server: Served, account: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    unknown = attempt("import", "--data", server.data, "--account", account, "--record", "case:7", tree)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.splitlines()[-1] == "holdfast: Case not found"
    with server.client(server.token(account=account)) as client:
        assert client.get("/v1/attachments").json()["items"] == []
        client.put("/v1/records/case/7", json={})
        for _ in range(2):
            run("import", "--data", server.data, "--account", account, "--record", "case:7", tree)
            hanging = client.get("/v1/records/case/7/attachments?limit=1000").json()["items"]
            assert len(hanging) == files_of(tree)


def test_an_import_that_was_killed_is_finished_by_the_next(server: Served, account: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    make_many(tree, 1500)
    command = ("import", "--data", str(server.data), "--account", account, str(tree))
    with server.client(server.token(account=account)) as client:
        with started(command, tmp_path / "log") as process:
            while process.poll() is None and client.get("/v1/stats").json()["attachments"] < 100:
                pass
            process.send_signal(signal.SIGKILL)
            process.wait()
        there = client.get("/v1/stats").json()["attachments"]
        assert 100 <= there < 1500, "it was to be killed in the middle"
        printed = run(*command).splitlines()[-1]
        assert printed.startswith(f"{1500 - there} files uploaded")
        assert f", {there} unchanged, " in printed
        versions = client.get("/v1/attachments?limit=1000&fields=version").json()["items"]
        assert {item["version"] for item in versions} == {1}
    run("export", "--data", server.data, "--account", account, tmp_path / "out")
    assert_same(tree, tmp_path / "out")


def make_many(tree: Path, count: int) -> None:
    source = random.Random(2)
    for number in range(count):
        folder = tree / f"{number % 40}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_bytes(source.randbytes(source.randrange(3000)))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more " * 200_000)


def shrink(path: Path) -> None:
    os.truncate(path, 10)


@pytest.mark.parametrize("change", [grow, shrink, Path.unlink])
def test_a_file_that_changes_meanwhile_does_not_end_the_import(
    server: Served, account: str, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    tree = tmp_path / "tree"
    make_many(tree, 300)
    moving = tree / "39" / "moving"
    moving.write_bytes(b"x" * 100_000)
    command = ("import", "--data", str(server.data), "--account", account, str(tree))
    with server.client(server.token(account=account)) as client, started(command, tmp_path / "log") as process:
        while process.poll() is None and not client.get("/v1/stats").json()["attachments"]:
            pass
        change(moving)
        assert process.wait(60) in {0, 1}
    assert "Traceback" not in (tmp_path / "log").read_text()
    settled = attempt(*command)
    assert settled.returncode == 0
    run("export", "--data", server.data, "--account", account, tmp_path / "out")
    if moving.exists():
        assert filecmp.cmp(moving, tmp_path / "out" / "39" / "moving", shallow=False)


def test_what_cannot_be_read_is_refused_by_name_and_the_rest_goes_in(
    server: Served, account: str, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "closed").mkdir(parents=True)
    (tree / "open").write_bytes(b"x")
    (tree / "locked").write_bytes(b"y")
    (tree / "closed").chmod(0)
    (tree / "locked").chmod(0)
    ended = attempt("import", "--data", server.data, "--account", account, tree, within=unprivileged())
    (tree / "closed").chmod(0o700)
    assert ended.returncode == 1
    assert ended.stdout == "1 files uploaded (1 bytes), 0 unchanged, 1 folders, 0 skipped, 2 refused\n"
    for name in ("locked", "closed"):
        assert f"refused  {tree / name}: " in ended.stderr


def unprivileged() -> list[str]:
    """What to put before a command so that it may read no more than the modes of files say, even when run by root."""
    if os.geteuid():
        return []
    assert shutil.which("setpriv"), "run by root, this test needs setpriv (util-linux)"
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


# ---------------------------------------------------------------- out


def test_export_puts_right_what_differs_and_leaves_the_rest(server: Served, account: str, tmp_path: Path) -> None:
    tree, out = make_tree(tmp_path / "tree"), tmp_path / "out"
    run("import", "--data", server.data, "--account", account, tree)
    out.mkdir()
    (out / "Grüße.txt").write_bytes(b"something else, and longer")
    (out / "UPPER.txt").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes((tree / "UPPER.txt").read_bytes())
    (out / "of my own").write_bytes(b"stays")
    printed = run("export", "--data", server.data, "--account", account, out)
    assert printed.splitlines()[-1].startswith(f"{files_of(tree)} files written")
    assert not (out / "UPPER.txt").is_symlink()
    assert (out / "of my own").read_bytes() == b"stays"
    (out / "of my own").unlink()
    assert_same(tree, out)


def test_export_names_what_is_in_the_way_and_writes_the_rest(server: Served, account: str, tmp_path: Path) -> None:
    tree, out = make_tree(tmp_path / "tree"), tmp_path / "out"
    run("import", "--data", server.data, "--account", account, tree)
    (out / "UPPER.txt" / "a folder").mkdir(parents=True)
    (out / "empty").write_bytes(b"a file")
    ended = attempt("export", "--data", server.data, "--account", account, out)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    refused = {line.split(":")[0] for line in ended.stderr.splitlines() if line.startswith("refused")}
    assert refused == {"refused  /UPPER.txt", "refused  /empty", "refused  /empty/inside"}
    assert files_of(out) == files_of(tree)
    assert not list(out.rglob(".holdfast-*")), "no temporary file is left"


def test_export_does_not_follow_a_link_out_of_its_target(server: Served, account: str, tmp_path: Path) -> None:
    run("import", "--data", server.data, "--account", account, make_tree(tmp_path / "tree"))
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
    ended = attempt("export", "--data", server.data, "--account", account, tmp_path / "out")
    assert ended.returncode == 1
    assert not list((tmp_path / "elsewhere").iterdir())


def test_export_over_a_file_is_wrong_use(server: Served, account: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    ended = attempt("export", "--data", server.data, "--account", account, tmp_path / "file")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_trashed_files_and_those_without_a_place_stay_where_they_are(
    server: Served, account: str, tmp_path: Path
) -> None:
    run("import", "--data", server.data, "--account", account, make_tree(tmp_path / "tree"))
    with server.client(server.token(account=account)) as client:
        client.put("/v1/records/case/7")
        client.post("/v1/attachments", params={"name": "placeless", "record": "case:7"}, content=b"x")
        gone = client.get("/v1/attachments", params={"path": "/UPPER.txt"}).json()["items"][0]["id"]
        client.delete(f"/v1/attachments/{gone}")
    run("export", "--data", server.data, "--account", account, tmp_path / "out")
    (tmp_path / "tree" / "UPPER.txt").unlink()
    assert_same(tmp_path / "tree", tmp_path / "out")
