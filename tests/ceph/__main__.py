"""`python -m tests.ceph`: what every blob store must do, and a server that serves from one, on a real Ceph."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.engines.objects import BUCKET, KEY_ID, SECRET, STORE_VARIABLE
from tests.ports import free_port

_HERE = Path(__file__).parent
_BIN = Path(sys.executable).parent
_USER = "ceph"
_CONFORMANCE = ("tests/conformance/test_blobs.py", "-k", "objects and not signed")
_JOURNEY = ("tests/cli/test_object_stores.py", "-k", "readers")


@contextmanager
def ceph() -> Iterator[str]:
    """The address of the gateway of a cluster of its own."""
    with TemporaryDirectory(prefix="ceph-") as folder:
        gateway = free_port()
        # As text, since the user that runs it may not be allowed to read this folder.
        script = (_HERE / "node.sh").read_text("utf-8")
        command = ["bash", "-c", script, "node", folder, str(free_port()), str(gateway), KEY_ID, SECRET]
        if os.geteuid() == 0:
            shutil.chown(folder, _USER, _USER)
            command = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", *command]
        node = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | {"HOME": folder},
        )
        assert node.stdin is not None
        assert node.stdout is not None
        try:
            if node.stdout.readline().strip() != "ready":
                raise SystemExit("Ceph does not start")
            yield f"http://127.0.0.1:{gateway}"
        finally:
            node.stdin.close()
            node.wait()


def main() -> None:
    with ceph() as endpoint:
        secrets = f"access_key_id={KEY_ID},secret_access_key={SECRET}"
        bucket = f":s3,provider=Ceph,endpoint='{endpoint}',{secrets}:{BUCKET}"
        subprocess.run([_BIN / "rclone", "--config", os.devnull, "mkdir", bucket], check=True)
        codes = [
            subprocess.run(
                [sys.executable, "-m", "pytest", *tests], env=os.environ | {STORE_VARIABLE: endpoint}, check=False
            ).returncode
            for tests in (_CONFORMANCE, _JOURNEY)
        ]
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
