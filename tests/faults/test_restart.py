"""The restart of `tests.faults.restart`, with few rows."""

import re
import subprocess
import sys

from tests.house.source import PROJECT


def test_a_server_comes_back_after_a_kill_with_all_that_it_had_told_of() -> None:
    command = [sys.executable, "-m", "tests.faults.restart", "--rows", "2000", "--times", "1"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"ready after kill -9: \d+\.\d\d s; 0 uploads lost\n0 faults", done.stdout)
