"""Probes that run in the real cage, and zygotes whose children do what no honest child does."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import psutil

from holdfast.core.model import Derived, NoRendition
from holdfast.media import cage
from holdfast.media.renditions import CagedRenditions
from tests.media.conftest import chunks
from tests.media.pictures import encoded, quarters

T = TypeVar("T")
PICTURE = encoded(quarters(), "image/jpeg")
MOMENT_SECONDS = 30.0
ROOT = Path(cage.__file__).parents[2]

PRELUDE = """
import ctypes, errno, mmap, os, resource, signal, socket, sys, threading, types
from holdfast.media import cage, zygote
from holdfast.media.decoders import Job

libc = ctypes.CDLL(None, use_errno=True)

def run(work, threads=False, before=lambda: None, warm=lambda: None):
    def load(kind):
        before()
        return Job(work, threads)
    zygote.main(types.SimpleNamespace(warm=warm, bring=lambda kind: None, load=load))
"""


def probe(code: str, content: bytes = b"the file") -> tuple[int, str]:
    """Exit status of a probe that runs in the real cage, and what it said after it was locked in."""
    source = os.memfd_create("source")
    os.write(source, content)
    reader = os.open(f"/proc/self/fd/{source}", os.O_RDONLY)
    out, into = os.pipe()
    orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-P", "-s", "-c", PRELUDE + code], stdin=theirs.fileno(), env={"PYTHONPATH": str(ROOT)}
    )
    theirs.close()
    socket.send_fds(orders, [b"probe/probe 128"], [reader, into])
    for descriptor in (source, reader, into):
        os.close(descriptor)
    with os.fdopen(out, "rb") as answer, orders, process:
        said = answer.read()
        status = int(orders.recv(100))
        orders.close()
    assert process.returncode == 0
    if said.startswith(b"+"):
        assert said[1:5] == (len(said[5:]).to_bytes(4, "big") if len(said) > 1 else b"")
        said = said[5:]
    return status, said.decode()


def outside(code: str) -> str:
    """What a probe says that is in no cage."""
    command = [sys.executable, "-P", "-s", "-c", PRELUDE + code]
    return subprocess.check_output(command, env={"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, text=True)


def child(code: str) -> tuple[str, ...]:
    """A zygote whose children do this instead of the cage's work."""
    start = """
import os, signal, sys, time, types
from holdfast.media import zygote
say = lambda what: os.write(1, what)
answer = lambda what: say(b'+' + len(what).to_bytes(4, 'big') + what)
"""
    end = f"""
def load(kind):
    exec({code!r}, globals())
    os._exit(0)
zygote.main(types.SimpleNamespace(warm=lambda: None, bring=lambda kind: None, load=load))
"""
    return (sys.executable, "-P", "-s", "-c", start + end)


def opened() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def children() -> set[int]:
    """The children of this process, those among them that have died and were not seen off."""
    return {child.pid for child in psutil.Process().children()}


def told(story: Coroutine[Any, Any, T]) -> T:
    """Run the story and see that it leaves no descriptor and no child behind.

    Threads see off what has died, and may come to it after the story's end; those of others may do so at any time.
    """
    descriptors, others = opened(), children()
    try:
        return asyncio.run(story)
    finally:
        deadline = time.monotonic() + MOMENT_SECONDS
        while (opened() > descriptors or children() - others) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (max(opened(), descriptors), children() - others) == (descriptors, set())


def outcome(code: str, wall_seconds: float = 30.0, edges: tuple[int, ...] = ()) -> Derived | NoRendition:
    """What the server makes of such a child."""

    async def story() -> Derived | NoRendition:
        caged = CagedRenditions(command=child(code), wall_seconds=wall_seconds)
        try:
            return await caged.derive(chunks(PICTURE), "image/jpeg", edges)
        finally:
            await caged.close()

    return told(story())
