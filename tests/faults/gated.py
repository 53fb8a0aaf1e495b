"""A real server all of whose durable calls pass a gate that a test commands."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.faults.gate import DURABLE, Call, Gate, receive_gate, watch_this_process
from tests.serving import Served, served

Verdict = int | threading.Event | None
"""Fail with this error number, or wait for the event while others go on, or go on."""

Rule = Callable[[Call], Verdict]


def pass_all(_: Call) -> Verdict:
    """Every call goes on."""
    return None


class Warden:
    """Answers the calls of a process and of all that it starts, by the rule that stands at the time."""

    def __init__(self) -> None:
        self.rule: Rule = pass_all
        self.count = 0
        self._ours, self._theirs = socket.socketpair()
        self._gate: Gate | None = None
        self._thread = threading.Thread(target=self._serve, name="warden", daemon=True)
        self._thread.start()

    def admit(self, names: frozenset[str]) -> None:
        """In the process to be watched, before it becomes another program."""
        watch_this_process(self._theirs, names)
        self._ours.close()
        self._theirs.close()

    def close(self) -> None:
        """The watched processes have ended."""
        self._theirs.close()
        self._thread.join(10)
        self._ours.close()

    def _serve(self) -> None:
        try:
            gate = receive_gate(self._ours)
        except (OSError, IndexError):
            return  # No process ever began.
        for call in gate.calls(seconds=3600):
            self.count += 1
            verdict = self.rule(call)
            if isinstance(verdict, threading.Event):
                threading.Thread(target=_later, args=(gate, call, verdict)).start()
            elif verdict is None:
                gate.go_on(call)
            else:
                gate.fail(call, verdict)
        gate.close()


def _later(gate: Gate, call: Call, event: threading.Event) -> None:
    event.wait(60)
    gate.go_on(call)


@contextmanager
def gated(
    data: Path, *arguments: str, names: frozenset[str] = DURABLE, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[Served, Warden]]:
    """Serve the folder behind a gate for calls of these names."""
    warden = Warden()
    try:
        with served(data, *arguments, settings=settings, before=lambda: warden.admit(names)) as server:
            yield server, warden
            warden.rule = pass_all
    finally:
        warden.close()


def at_call(number: int, strike: Callable[[], None]) -> Rule:
    """Strike before the `number`-th call from now on, which never happens if its process is dead then."""
    left = iter(range(1, number + 1))

    def rule(_: Call) -> Verdict:
        if next(left, 0) == number:
            strike()
        return None

    return rule


def kill_group(server: Served) -> None:
    """End the server's processes, all at once."""
    os.killpg(server.process.pid, signal.SIGKILL)
