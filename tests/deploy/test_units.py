"""systemd takes the units, and the server works under what its unit leaves it, thumbnails included."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from holdfast.cli.serving import DRAIN_SECONDS, OPEN_FILES
from holdfast.settings import describe_settings
from tests.deploy.confinement import Confinement, allowed, settings
from tests.house.source import PROJECT, SOURCE
from tests.serving import served

UNITS = PROJECT / "deploy" / "systemd"
UNIT = (UNITS / "holdfast.service").read_text(encoding="utf-8")
NAMESPACES = ("user", "net", "ipc", "uts", "cgroup")


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """The units with a program that is there, since systemd looks for it."""
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    for path in folder.glob("*.service"):
        path.write_text(path.read_text().replace("/opt/holdfast/bin/holdfast", "/bin/true"))
    return folder


def test_systemd_finds_nothing_wrong_with_the_units(copies: Path) -> None:
    units = [str(path) for path in sorted(copies.iterdir())]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_exposure_is_small(copies: Path) -> None:
    """By systemd's own count from 0 to 10, in tenths; the namespaces and the network that it needs are in it."""
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", str(copies / "holdfast.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_settings_that_units_name_exist() -> None:
    known = {setting.variable for setting in describe_settings()}
    for path in UNITS.iterdir():
        named = set(re.findall(r"\bHOLDFAST_[A-Z0-9_]+", path.read_text())) - {"HOLDFAST_NAME"}
        assert named <= known, path.name


def test_the_end_of_the_unit_comes_after_the_end_of_the_server() -> None:
    said = dict(settings(UNIT))
    assert int(said["TimeoutStopSec"]) > DRAIN_SECONDS
    assert int(said["LimitNOFILE"]) == OPEN_FILES


def drawn() -> bytes:
    file = BytesIO()
    Image.new("RGB", (300, 200), "teal").save(file, "JPEG")
    return file.getvalue()


def picture(tmp_path: Path, unit: str) -> int:
    """The status of a thumbnail's download from a server that is confined as the unit says."""
    with served(tmp_path / "data", before=Confinement(unit)) as server, server.client() as client:
        made = client.post("/v1/attachments", params={"path": "/a.jpg"}, content=drawn())
        assert made.status_code == 201
        assert client.get(f"/v1/attachments/{made.json()['id']}/content").content == drawn()
        status = client.get(f"/v1/attachments/{made.json()['id']}/thumbnail").status_code
        assert server.stop() == 0
    return status


def test_pictures_are_made_under_the_unit(tmp_path: Path) -> None:
    assert picture(tmp_path, UNIT) == 200


def test_pictures_are_made_where_no_namespace_can_be_left(tmp_path: Path) -> None:
    """As in most containers: the child stays in the server's network, held by its own filter."""
    assert (
        picture(tmp_path, re.sub(r"^RestrictNamespaces=.*$", "RestrictNamespaces=true", UNIT, flags=re.MULTILINE))
        == 200
    )


def test_without_the_line_for_the_decoding_child_none_are(tmp_path: Path) -> None:
    """That the one above works means something."""
    less = UNIT.replace("SystemCallFilter=seccomp ", "SystemCallFilter=")
    assert "seccomp" in allowed(UNIT) - allowed(less)
    assert picture(tmp_path, less) == 503


def left(before: Callable[[], None] | None) -> str:
    """Which of its namespaces a decoding child leaves."""
    program = (
        "import os; from holdfast.media import cage\n"
        f"names = {NAMESPACES!r}\n"
        "seen = [os.readlink(f'/proc/self/ns/{name}') for name in names]\n"
        "cage.isolate()\n"
        "print([name for name, was in zip(names, seen) if os.readlink(f'/proc/self/ns/{name}') != was])"
    )
    command = [sys.executable, "-c", program]
    environ = {"PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(
        command,
        env=environ,
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_decoding_child_leaves_as_many_namespaces_as_without_the_filters() -> None:
    """As many as this kernel lets somebody without privileges leave."""
    bare = re.sub(
        r"^(SystemCallFilter|RestrictNamespaces|MemoryDeny\w+|RestrictAddress\w+)=.*\n", "", UNIT, flags=re.MULTILINE
    )
    everything = bare.replace("[Service]", "[Service]\nSystemCallFilter=@known")
    assert left(Confinement(UNIT)) == left(Confinement(everything))
