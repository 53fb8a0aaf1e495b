"""A system call filter for the cage, assembled by hand so that no library of the system is needed.

What is listed may be called; anything else fails with `EPERM`. Nothing on the list opens, names, sends, starts or
signals: a filtered process can compute, read the descriptors it already has, write to descriptor 1, and end.
"""

import ctypes
import os
import struct
from collections.abc import Mapping
from types import MappingProxyType

_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Codes of classic BPF: load a word, three conditional jumps, return."""

_ALLOW, _REFUSE, _ABSENT, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
"""What a filter may answer; a refusal carries EPERM in its low half, an absence ENOSYS."""

_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
"""Offsets in `struct seccomp_data`; arguments are eight bytes each, low half first on the machines below."""

_PROT_EXEC = 4
_THREAD = 0x003D0F00
"""The flags with which the C library starts a thread, and never a process."""

_X32_BIT = 0x40000000
_SET_MODE_FILTER = 1
_ALL_THREADS = 1

_PLAIN = (
    "read close fstat lseek pread64 munmap mremap madvise brk futex sched_yield rt_sigaction rt_sigprocmask"
    " rt_sigreturn sigaltstack getpid gettid gettimeofday clock_gettime exit exit_group"
)

_X86_64: Mapping[str, int] = MappingProxyType(
    {
        "read": 0,
        "write": 1,
        "close": 3,
        "fstat": 5,
        "lseek": 8,
        "mmap": 9,
        "mprotect": 10,
        "munmap": 11,
        "brk": 12,
        "rt_sigaction": 13,
        "rt_sigprocmask": 14,
        "rt_sigreturn": 15,
        "pread64": 17,
        "sched_yield": 24,
        "mremap": 25,
        "madvise": 28,
        "getpid": 39,
        "clone": 56,
        "exit": 60,
        "gettimeofday": 96,
        "sigaltstack": 131,
        "gettid": 186,
        "futex": 202,
        "clock_gettime": 228,
        "exit_group": 231,
        "set_robust_list": 273,
        "seccomp": 317,
        "rseq": 334,
        "clone3": 435,
    }
)
_AARCH64: Mapping[str, int] = MappingProxyType(
    {
        "close": 57,
        "lseek": 62,
        "read": 63,
        "write": 64,
        "pread64": 67,
        "fstat": 80,
        "exit": 93,
        "exit_group": 94,
        "futex": 98,
        "set_robust_list": 99,
        "clock_gettime": 113,
        "sched_yield": 124,
        "sigaltstack": 132,
        "rt_sigaction": 134,
        "rt_sigprocmask": 135,
        "rt_sigreturn": 139,
        "gettimeofday": 169,
        "getpid": 172,
        "gettid": 178,
        "brk": 214,
        "clone": 220,
        "munmap": 215,
        "mremap": 216,
        "mmap": 222,
        "mprotect": 226,
        "madvise": 233,
        "seccomp": 277,
        "rseq": 293,
        "clone3": 435,
    }
)
_MACHINES: Mapping[str, tuple[int, Mapping[str, int]]] = MappingProxyType(
    {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
)
"""Machine name -> the kernel's audit number for it and its system call numbers."""


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def program(machine: str, *, threads: bool) -> bytes:
    """The filter for this machine. Raises `OSError` for one that has none.

    With `threads` a thread may be started; `clone3`, whose flags a filter cannot read, is then called absent, so that
    the C library falls back on `clone`.
    """
    if machine not in _MACHINES:
        raise OSError(f"no system call filter for {machine}")
    audit, numbers = _MACHINES[machine]
    steps = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL),
    ]
    for name in _PLAIN.split():
        steps += [(_EQUAL, 0, 1, numbers[name]), (_RETURN, 0, 0, _ALLOW)]
    for name in ("mmap", "mprotect"):  # memory is never made executable
        steps += _only_if(numbers[name], 2, (_HAS_BITS, 1, 0, _PROT_EXEC))
    steps += _only_if(numbers["write"], 0, (_EQUAL, 0, 1, 1))
    if threads:
        steps += _only_if(numbers["clone"], 0, (_EQUAL, 0, 1, _THREAD))
        for name in ("rseq", "set_robust_list"):  # what a new thread does first
            steps += [(_EQUAL, 0, 1, numbers[name]), (_RETURN, 0, 0, _ALLOW)]
        steps += [(_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, _ABSENT)]
    steps.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def _only_if(number: int, argument: int, test: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """Allow a call if the test of the argument's low half goes on to the next step, refuse it if it skips one."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument),
        test,
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]


def enter(*, threads: bool) -> None:
    """Filter every thread of this process from now on, for good. Needs no privilege once `no_new_privs` is set.

    Raises `OSError` when the kernel or the machine has no filters.
    """
    machine = os.uname().machine
    code = program(machine, threads=threads)
    libc = ctypes.CDLL(None, use_errno=True)
    held = _Program(len(code) // 8, code)
    number = _MACHINES[machine][1]["seccomp"]
    if libc.syscall(number, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(held)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
