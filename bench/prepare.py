"""What the bench needs before it can measure: its own virtual environment and three Debian packages.

Standard library only, because this runs before anything is installed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
VENV = CACHE / "venv"
LOCK = ROOT / "bench" / "requirements.lock"


def inside_own_venv() -> bool:
    return Path(sys.prefix).resolve() == VENV.resolve()


def ensure_venv() -> None:
    """Make or refresh .cache/bench/venv from the lock file."""
    stamp, wanted = VENV / "installed-lock", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(
        f"Installing the client and the Python peers into {VENV.relative_to(ROOT)} (once, about a minute) ...",
        file=sys.stderr,
    )
    venv.create(VENV, clear=True, with_pip=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True, stdout=sys.stderr)
    stamp.write_text(wanted)


def continue_inside_venv(module: str, arguments: list[str]) -> None:
    """Replace this process by the same module run by the bench's own interpreter; does not return."""
    os.chdir(ROOT)
    python = str(VENV / "bin" / "python")
    os.execv(python, [python, "-m", module, *arguments])


def find_tool(name: str) -> str | None:
    """Debian puts nginx into /usr/sbin, which is not on every user's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def missing_tool_line(name: str, package: str | None = None) -> str | None:
    """The line to type when a Debian package is absent, else None."""
    return None if find_tool(name) else f"apt-get install {package or name}"
