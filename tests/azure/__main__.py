"""`python -m tests.azure FOLDER`: what every blob store must do, and an installation in one, on an emulator of Azure.

The folder is where `install.sh` has put it.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.engines.objects import BUCKET, STORE_VARIABLE
from tests.ports import free_port

_BIN = Path(sys.executable).parent
_PROGRAM = "node_modules/azurite/dist/src/blob/main.js"
_ACCOUNT = "holdfast"
_SECONDS = 60
# The emulator says of one byte of an empty blob that it gives `bytes 0--1/0`, which nobody can read; Azure says 416.
_EMPTY = "tests/conformance/test_blobs.py::test_more_than_there_is_is_lost_before_the_first_byte[objects-0]"
_CONFORMANCE = ("tests/conformance/test_blobs.py", "-k", "objects and not signed", "--deselect", _EMPTY)
_JOURNEY = ("tests/cli/test_object_stores.py", "-k", "lives")


@contextmanager
def azurite(folder: Path) -> Iterator[Mapping[str, str]]:
    """The variables by which the driver finds an emulator of its own, with an empty container."""
    key, port = b64encode(secrets.token_bytes(32)).decode(), free_port()
    with TemporaryDirectory(prefix="azurite-") as data:
        options = [
            "--blobPort",
            str(port),
            "--location",
            data,
            "--silent",
            "--skipApiVersionCheck",
            "--disableTelemetry",
        ]
        emulator = subprocess.Popen(
            ["node", folder.absolute() / _PROGRAM, *options],
            stdout=subprocess.DEVNULL,
            cwd=data,
            env=os.environ | {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"},
        )
        try:
            _wait_for(port, emulator)
            _make_container(f"http://127.0.0.1:{port}/{_ACCOUNT}", key)
            yield {
                "AZURE_STORAGE_USE_EMULATOR": "true",
                "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}",
                "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
                "AZURE_STORAGE_ACCOUNT_KEY": key,
            }
        finally:
            emulator.terminate()
            emulator.wait(_SECONDS)


def _make_container(endpoint: str, key: str) -> None:
    place = f":azureblob,account={_ACCOUNT},key='{key}',endpoint='{endpoint}':{BUCKET}"
    subprocess.run([_BIN / "rclone", "--config", os.devnull, "mkdir", place], check=True, timeout=_SECONDS)


def _wait_for(port: int, emulator: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _SECONDS
    while emulator.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit("the emulator of Azure does not start")


def main() -> None:
    with azurite(Path(sys.argv[1])) as found:
        environment = os.environ | found | {STORE_VARIABLE: "az://"}
        codes = [
            subprocess.run([sys.executable, "-m", "pytest", *tests], env=environment, check=False).returncode
            for tests in (_CONFORMANCE, _JOURNEY)
        ]
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
