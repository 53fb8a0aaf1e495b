"""Stops a process at each of its durable system calls, and decides there what becomes of it.

The kernel's filter (seccomp, user notification) hands every call on the list to the watcher and lets it wait for an
answer: go on, fail with an error, or nothing at all because the process is killed first. Calls of all threads and of
all processes that the watched one starts come in one order, each before it has had any effect, so the N-th of them
is one point and not one for each thread. A call costs about 10 microseconds, no debugger and no rights.
"""

import ctypes
import fcntl
import os
import platform
import select
import signal
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_X86_64: Mapping[str, int] = MappingProxyType(
    {
        "pwrite64": 18,
        "writev": 20,
        "fsync": 74,
        "fdatasync": 75,
        "ftruncate": 77,
        "rename": 82,
        "mkdir": 83,
        "unlink": 87,
        "openat": 257,
        "mkdirat": 258,
        "unlinkat": 263,
        "renameat": 264,
        "fallocate": 285,
        "pwritev": 296,
        "renameat2": 316,
        "pwritev2": 328,
    }
)
_AARCH64: Mapping[str, int] = MappingProxyType(
    {
        "mkdirat": 34,
        "unlinkat": 35,
        "renameat": 38,
        "ftruncate": 46,
        "fallocate": 47,
        "openat": 56,
        "writev": 66,
        "pwrite64": 68,
        "pwritev": 70,
        "fsync": 82,
        "fdatasync": 83,
        "renameat2": 276,
        "pwritev2": 287,
    }
)
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_PIDFD_GETFD = 438
_SET_MODE_FILTER, _NEW_LISTENER, _NO_NEW_PRIVILEGES = 1, 8, 38
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NOTICE, _ANSWER = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")

WRITES = frozenset({"pwrite64", "writev", "pwritev", "pwritev2"})
SYNCS = frozenset({"fsync", "fdatasync"})
DURABLE = frozenset(_X86_64) - {"openat"}
_ARMED, _DONE, _REFUSED = 1_000_001, 1_000_002, 1_000_003


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that waits for its answer. `thread` is the one that waits."""

    id: int
    thread: int
    name: str
    arguments: tuple[int, ...]

    @property
    def path(self) -> str:
        """Where it works, as the kernel names it now: the file of its descriptor, or the folder and the name."""
        if self.name in ("rename", "unlink", "mkdir"):
            return self._text(self.arguments[0])
        if self.name in ("openat", "mkdirat", "unlinkat"):
            return self._below(self.arguments[0], self._text(self.arguments[1]))
        if self.name.startswith("renameat"):
            return self._below(self.arguments[2], self._text(self.arguments[3]))
        return self._descriptor(self.arguments[0])

    def kind(self) -> str:
        """What is worked on: database, wal, segment, blob, temporary or folder."""
        path = self.path
        for ending, kind in (
            (".db", "database"),
            ("-wal", "wal"),
            ("-shm", "shm"),
            ("-changes", "changes"),
            (".seg", "segment"),
        ):
            if path.endswith(ending):
                return kind
        if "/blobs/tmp/" in path:
            return "temporary"
        return "folder" if self.name in SYNCS and Path(path).is_dir() else "blob"

    def _descriptor(self, fd: int) -> str:
        try:
            return str(Path(f"/proc/{self.thread}/fd/{fd & 0xFFFFFFFF}").readlink())
        except OSError:
            return ""

    def _below(self, folder: int, name: str) -> str:
        return name if name.startswith("/") else f"{self._descriptor(folder)}/{name}"

    def _text(self, address: int) -> str:
        return self.memory(address, 1024).split(b"\0", 1)[0].decode(errors="replace")

    def memory(self, address: int, length: int) -> bytes:
        """Bytes of the waiting process; fewer when they end at a page that is not there."""
        with Path(f"/proc/{self.thread}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            try:
                return memory.read(length)
            except OSError:
                memory.seek(address)
                return memory.read(4096 - address % 4096)

    def data(self) -> bytes:
        """What a write is about to write."""
        if self.name == "pwrite64":
            return self.memory(self.arguments[1], self.arguments[2])
        vectors = self.memory(self.arguments[1], 16 * self.arguments[2])
        return b"".join(self.memory(address, length) for address, length in struct.iter_unpack("QQ", vectors))

    def write_half(self) -> int:
        """Do the first half of a write in its place; how many bytes that was."""
        data = self.data()
        process = os.pidfd_open(_process_of(self.thread))
        copy = _system_call(_PIDFD_GETFD, process, self.arguments[0], 0)
        try:
            half = data[: max(1, len(data) // 2)]
            return os.write(copy, half) if self.name == "writev" else os.pwrite(copy, half, self.arguments[3])
        finally:
            os.close(copy)
            os.close(process)


class Gate:
    """The watcher's end. Every call waits until it is answered or its process has died."""

    def __init__(self, listener: int) -> None:
        self._listener = listener
        self._names = {number: name for name, number in _numbers().items()}
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)

    def calls(self, seconds: float = 60) -> Iterator[Call]:
        """Calls as they come, until nobody is left to make one. Raises `TimeoutError` when nothing happens."""
        while True:
            ready = self._poll.poll(seconds * 1000)
            if not ready:
                raise TimeoutError("the watched process makes no durable call and does not end")
            if not ready[0][1] & select.POLLIN:
                return
            notice = bytearray(_NOTICE.size)
            try:
                fcntl.ioctl(self._listener, _RECEIVE, notice)
            except OSError:
                continue  # Its thread died between the two calls.
            id, thread, _, number, _, _, *arguments = _NOTICE.unpack(notice)
            yield Call(id, thread, self._names[number], tuple(arguments))

    def go_on(self, call: Call) -> None:
        """Let it happen."""
        self._answer(call, 0, 0, _CONTINUE)

    def fail(self, call: Call, error: int) -> None:
        """It does not happen and gives this error number."""
        self._answer(call, 0, -error, 0)

    def give(self, call: Call, value: int) -> None:
        """It does not happen and gives this value."""
        self._answer(call, value, 0, 0)

    def close(self) -> None:
        """Watch no longer: calls that wait or follow fail with ENOSYS."""
        os.close(self._listener)

    def _answer(self, call: Call, value: int, error: int, flags: int) -> None:
        try:
            fcntl.ioctl(self._listener, _SEND, _ANSWER.pack(call.id, value, error, flags))
        except FileNotFoundError:
            pass  # It was killed meanwhile.


def is_armed(call: Call) -> bool:
    """Whether the process says with this call that what follows counts; answer it like any other."""
    return call.name == "fsync" and call.arguments[0] == _ARMED


def is_done(call: Call) -> bool:
    """Whether the process says with this call that what counts is over."""
    return call.name == "fsync" and call.arguments[0] == _DONE


def is_refused(call: Call) -> bool:
    """Whether the process says with this call that what it tried has failed."""
    return call.name == "fsync" and call.arguments[0] == _REFUSED


def arm() -> None:
    """In the watched process: what follows counts."""
    _mark(_ARMED)


def done() -> None:
    """In the watched process: what counts is over."""
    _mark(_DONE)


def refused() -> None:
    """In the watched process: what it tried has failed."""
    _mark(_REFUSED)


def _mark(number: int) -> None:
    try:
        os.fsync(number)
    except OSError:
        return


def watch_this_process(to: socket.socket, names: frozenset[str] = DURABLE) -> None:
    """From now on, hand this process's calls of these names to whoever holds the other end of the socket."""
    numbers = [number for name, number in _numbers().items() if name in names]
    steps = [(_LOAD, 0, 0, 0)]
    steps += [(_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTIFY)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program))
    header = ctypes.create_string_buffer(head, len(head))
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener = _system_call(_SECCOMP[platform.machine()], _SET_MODE_FILTER, _NEW_LISTENER, ctypes.addressof(header))
    socket.send_fds(to, [b"L"], [listener])
    os.close(listener)


def receive_gate(source: socket.socket) -> Gate:
    """The watcher's end of `watch_this_process`."""
    _, descriptors, _, _ = socket.recv_fds(source, 1, 1)
    return Gate(descriptors[0])


def kill(process: int) -> None:
    """End it as power or the kernel would: without a word."""
    os.kill(process, signal.SIGKILL)


def _numbers() -> Mapping[str, int]:
    return {"x86_64": _X86_64, "aarch64": _AARCH64}[platform.machine()]


def _process_of(thread: int) -> int:
    status = Path(f"/proc/{thread}/status").read_text()
    return int(status.split("Tgid:")[1].split()[0])


def _system_call(number: int, *arguments: int) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    given = int(library.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments)))
    if given < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return given
