"""Forked children that do work behind a gate and die where they are told to."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.gate import WRITES, Call, Gate, is_armed, is_done, is_refused, kill, receive_gate, watch_this_process

Tell = Callable[[int], None]
Work = Callable[[Tell], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Aim:
    """Die before the `number`-th call after the arming; with `torn`, in its middle if it is a write."""

    number: int
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended: before which call, on what sort of file (None: it got through), what it had told by then."""

    call: tuple[str, str] | None
    told: frozenset[int]


@dataclass(frozen=True, slots=True)
class Blow:
    """What else happens at the aim, while the child waits there, and which calls are answered otherwise.

    `answer` sees every call but the marks, with its number since the arming, and says whether it has answered it.
    `refused` says whether to die now that the child tells of a failure.
    """

    strike: Callable[[Call], None] = lambda _: None
    answer: Callable[[Gate, Call, int], bool] = lambda *_: False
    refused: Callable[[], bool] = lambda: False


def child(work: Work, aim: Aim, blow: Blow | None = None) -> Outcome:
    """Fork a child that works until it reaches the aim or gets through, and see it dead. Raises if it fails."""
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _work(work, theirs, writing)
    os.close(writing)
    theirs.close()
    gate = receive_gate(ours)
    ours.close()
    try:
        reached = _watch(gate, process, aim, blow or Blow())
    except BaseException:
        kill(process)
        raise
    finally:
        gate.close()
        _, status = os.waitpid(process, 0)
    with os.fdopen(reading, "rb") as lines:
        told = frozenset(map(int, lines.read().split()))
    if not os.WIFSIGNALED(status):
        raise RuntimeError(f"the child ended by itself, with status {status}")
    return Outcome(reached, told)


def _work(work: Work, to: socket.socket, acknowledgements: int) -> None:
    """Never returns: a child that went on would be a second parent."""

    async def run() -> None:
        await work(lambda number: _write(acknowledgements, number))

    try:
        watch_this_process(to)
        asyncio.run(run())
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _write(acknowledgements: int, number: int) -> None:
    os.write(acknowledgements, b"%d\n" % number)


def _watch(gate: Gate, process: int, aim: Aim, blow: Blow) -> tuple[str, str] | None:
    armed, count = False, 0
    for call in gate.calls(seconds=30):
        if is_done(call):
            kill(process)
            return None
        if is_refused(call) and blow.refused():
            return _end(call, process, Blow(), torn=False)
        if is_armed(call):
            armed, count = True, 0
        elif armed and not is_refused(call):
            count += 1
            if count == aim.number:
                return _end(call, process, blow, torn=aim.torn)
            if blow.answer(gate, call, count):
                continue
        gate.go_on(call)
    return None


def _end(call: Call, process: int, blow: Blow, *, torn: bool) -> tuple[str, str]:
    name, kind = call.name, call.kind()
    blow.strike(call)
    if torn and name in WRITES:
        call.write_half()
        name = f"half {name}"
    kill(process)
    return name, kind
