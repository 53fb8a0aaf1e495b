"""A few power cuts of `tests.faults.cuts`; `make faults` makes thousands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import test_blob_crashes as simulated
from tests.house.source import PROJECT

_NO_MOUNTS = 2


def cut(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults.cuts", "--lanes", "1", "--seconds", "300", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


async def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = cut("--trials", "24")
    if done.returncode == _NO_MOUNTS:
        with capsys.disabled():
            print(f"\n{done.stderr.strip()}; simulated power cuts instead")
        for size in (0, simulated.SEGMENT):
            (tmp_path / str(size)).mkdir()
            await simulated.test_a_power_cut_after_any_acknowledgement_loses_nothing(tmp_path / str(size), size)
        return
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.search(r"(\d+) power cuts .*\n(\d+) acknowledgements, 0 losses", done.stdout)
    assert counts is not None, done.stdout
    assert int(counts[1]) >= 24
    assert int(counts[2]) > 24


def test_a_disk_that_only_pretends_to_sync_would_be_noticed() -> None:
    """The oracle itself. Where nothing can be mounted, `test_blob_crashes` has its own."""
    done = cut("--trials", "4", "--careless", "--seed", "2")
    if done.returncode != _NO_MOUNTS:
        assert "lost: wave" in done.stdout or "neither before nor after" in done.stdout
        assert done.returncode == 1
