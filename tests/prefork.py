"""A process that has loaded the command line once, and becomes a command as often as it is asked: by forking.

Loading takes most of the time of a short command. What is forked is a process like any other: its arguments,
environment, folder, standard files and the end of its interpreter are its own. Run as a program, this file is that
process, with the socket of those who ask as its standard input.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

ORDER_BYTES, REPLY_BYTES = 1 << 17, 100
# The last is what the command line's library loads only when it reads the first argument, in a tenth of a second.
LOADED = ("holdfast.cli.commands", "holdfast.compose", "holdfast.app", "holdfast.dialects", "typer._adapters")


class Prefork:
    """The side of those who ask; any thread may."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Without its own folder on the path: what lies there has names of the standard library.
        command = [sys.executable, "-P", __file__]
        with theirs:
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment)

    def run(
        self, arguments: Sequence[str], stdin: str, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """A command, run to its end. Raises `subprocess.TimeoutExpired`; the command has been killed then."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            order = {"arguments": list(arguments), "environment": dict(environment), "folder": str(Path.cwd())}
            with theirs:
                handed = [theirs.fileno(), given.fileno(), out.fileno(), err.fileno()]
                socket.send_fds(self._orders, [json.dumps(order).encode()], handed)
            number = int(ours.recv(REPLY_BYTES))
            ours.settimeout(seconds)
            try:
                code = int(ours.recv(REPLY_BYTES))
            except TimeoutError:
                os.kill(number, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), seconds, _text(out), _text(err)) from None
            return subprocess.CompletedProcess(list(arguments), code, _text(out), _text(err))

    def close(self) -> None:
        """End it, once the commands that it has become have ended."""
        self._orders.close()
        self._process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def become() -> None:
    """Wait for orders; come back in a new process for each, which is to do what its arguments say."""
    orders = socket.socket(fileno=os.dup(0))
    # Those who wait for a command are waited for by nobody.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(orders, ORDER_BYTES, 4)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    orders.close()
    asked, *standard = files
    number = os.fork()
    if number:
        _see_off(number, asked)
    os.close(asked)
    for target, file in enumerate(standard):
        os.dup2(file, target)
        os.close(file)
    order = json.loads(message)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.argv = ["holdfast", *order["arguments"]]


def _see_off(number: int, asked: int) -> None:
    """Tell the command's number, and, once it has ended, how."""
    reply = socket.socket(fileno=asked)
    reply.send(str(number).encode())
    _, status = os.waitpid(number, 0)
    reply.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    for module in LOADED:
        import_module(module)
    become()
    import_module("holdfast.cli").main()
