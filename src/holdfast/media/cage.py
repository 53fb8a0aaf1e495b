"""The cage in which a stranger's file is decoded: what a process gives up, step by step, and the one file it serves.

Rights go in layers, so that a hole in one is covered by another: resource limits; a network and other namespaces of its
own, Landlock and dropped capabilities where the kernel has them; and always the system call filter, without which no
byte of the file is read. Limits and namespaces are left behind before any decoder is loaded, by the process from which
the children are forked (see `zygote`); the rest by each child, between its order and the first byte of its file.

Answer of a child, on its standard output: `+` once it is locked in, before which no fault is the file's; then the
length of the rest in four bytes, big-endian; then `WIDTH HEIGHT PAGES CAPTURED` (`-` for unknown) and a newline; then,
for each edge, the length of a JPEG in four bytes, big-endian, and the JPEG.
"""

import contextlib
import ctypes
import os
import resource
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.media import seccomp

if TYPE_CHECKING:
    from holdfast.media.decoders import Job

MEMORY_BYTES = 512 * 1024 * 1024
"""Address space of the child, libraries included: a picture of 50 million pixels fits in the mode it is stored in."""

CPU_SECONDS = 5
"""A photo of 50 million pixels takes about one second; what takes five is an attack or not worth it."""

OPEN_FILES = 32
"""Enough to load libraries; when the file is read no call that opens one is left."""

POLITENESS = 5
"""The niceness of the child: requests come before pictures."""

_FIRST_TO_GO = "1000"
"""What the kernel kills before all else when the machine is out of memory."""

REFUSED, OUT_OF_MEMORY, UNLOCKED = 20, 21, 22
"""How the child ends: the file is not what it says or too large; memory ran out; the filter could not be set."""

LOCKED_IN = b"+"

_NO_NEW_PRIVS, _PARENT_DEATH_SIGNAL, _DUMPABLE = 38, 1, 4
_KILL = 9
_NEW_USER, _NEW_NETWORK, _NEW_IPC, _NEW_NAMES, _NEW_CGROUP = 0x10000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT, _LANDLOCK_VERSION = 444, 446, 1
_CAPABILITY_VERSION = 0x20080522


def limit() -> None:
    """Bound memory, time and open files, and stand behind the server in every queue."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(what, (most, most))
    # The signal at the first limit can be ignored, the kill one second later cannot.
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    os.nice(POLITENESS)
    with contextlib.suppress(OSError), Path("/proc/self/oom_score_adj").open("w") as score:
        score.write(_FIRST_TO_GO)


def isolate() -> None:
    """Leave the server's network and other namespaces where the kernel lets us, and die with the server."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    others = _NEW_NETWORK | _NEW_IPC | _NEW_NAMES | _NEW_CGROUP
    # Root stays itself until it is locked in, since another user's files may be among what is still to be loaded.
    if libc.unshare(others) != 0:
        libc.unshare(_NEW_USER | others)
    libc.prctl(_DUMPABLE, 0, 0, 0, 0)
    die_with_parent()


def die_with_parent() -> None:
    """Be killed when the parent ends. A forked process has to say so again."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, _KILL, 0, 0, 0)


def lock(*, threads: bool) -> None:
    """Give up the file system, all capabilities, and every system call that decoding does not need.

    With `threads` the limit on processes is left to the filter, because it counts threads of the whole user. Raises
    `OSError` when the filter cannot be set; the other two are best effort.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _landlock(libc)
    # Not earlier, so that what is loaded may be kept compiled: the next zygote starts in a third of the time.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if not threads:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    libc.capset(struct.pack("<Ii", _CAPABILITY_VERSION, 0), bytes(24))
    seccomp.enter(threads=threads)


def _landlock(libc: ctypes.CDLL) -> None:
    """Rules that allow no file, no TCP and no signal to others, as far as this kernel knows such rules."""
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    words = [rights] + ([3] if version >= 4 else []) + ([3] if version >= 6 else [])
    rules = struct.pack(f"<{len(words)}Q", *words)
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset >= 0:
        libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0)
        os.close(ruleset)


def serve(source: int, edges: Sequence[int], job: "Job") -> int:
    """Lock in, and do the job on the file behind the descriptor `source`; the exit status says how it went."""
    with open(source, "rb") as file:
        try:
            lock(threads=job.threads)
        except OSError:
            return UNLOCKED
        try:
            os.write(1, LOCKED_IN)
            said = job.work(file, edges)
            answer = memoryview(struct.pack(">I", len(said)) + said)
            while answer:
                answer = answer[os.write(1, answer) :]
        except MemoryError:
            return OUT_OF_MEMORY
        except Exception:  # noqa: BLE001 - whatever a decoder says of a hostile file means the same: no picture
            return REFUSED
    return 0
