"""Processes that serve: replaced when they die, told to end, and killed when they will not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CREW = """
import os, signal, sys, time
from pathlib import Path
from holdfast.transport import workers

workers.MERCY = workers.BREATH = 0.2
folder, how = Path(sys.argv[1]), sys.argv[2]

def work(place):
    if how == "broken" and place == 1:
        return False
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
    (folder / f"{place}-{os.getpid()}").touch()
    while how == "deaf" or not told:
        time.sleep(0.01)
    return True

sys.exit(workers.Crew(work, 2, 0.1).run())
"""


@contextmanager
def crew(folder: Path, how: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", CREW, str(folder), how], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def workers(folder: Path, count: int) -> list[tuple[int, int]]:
    """Place and process id of as many as have ever begun, once there are that many."""
    for _ in range(3000):
        names = [each.name.split("-") for each in folder.iterdir()]
        found = sorted((int(place), int(pid)) for place, pid in names)
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError("they do not begin")


def test_each_has_its_place_and_all_end_when_told(tmp_path: Path) -> None:
    with crew(tmp_path) as process:
        assert [place for place, _ in workers(tmp_path, 2)] == [0, 1]
        process.terminate()
        assert process.wait(30) == 0


def test_one_that_dies_is_replaced_in_its_place(tmp_path: Path) -> None:
    with crew(tmp_path) as process:
        first = workers(tmp_path, 2)
        os.kill(first[1][1], signal.SIGKILL)
        now = workers(tmp_path, 3)
        assert [place for place, _ in now] == [0, 1, 1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_one_that_cannot_start_ends_them_all(tmp_path: Path) -> None:
    with crew(tmp_path, "broken") as process:
        assert process.wait(30) == 3


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with crew(tmp_path, "deaf") as process:
        pids = [pid for _, pid in workers(tmp_path, 2)]
        process.terminate()
        assert process.wait(30) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
