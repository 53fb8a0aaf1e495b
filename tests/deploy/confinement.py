"""What a systemd unit lets its processes do, laid upon a process of a test, by the same means: filters on system calls.

Of the unit's lines these take effect: the filter on system calls, restricted namespaces and address families, no memory
that is written and then executed, no capabilities and no new privileges. What systemd does with mounts is left out.
"""

import ctypes
import functools
import re
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_ALLOW, _EPERM, _ENOSYS, _EAFNOSUPPORT = 0x7FFF0000, 0x00050001, 0x00050026, 0x00050061
_MASKED = 7
_NO_NEW_PRIVS, _DROP_BOUNDING = 38, 24
_PROT_WRITE, _PROT_EXEC = 2, 4
_NAMESPACES = {
    "mnt": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
_KNOWN_FAMILIES = 46


class _Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


@dataclass(frozen=True)
class Rule:
    """What comes of a call, if the bits `mask` of its argument are `value`, or whatever its arguments are."""

    call: str
    action: int
    argument: int = -1
    mask: int = 0
    value: int = 0


def settings(unit: str, section: str = "Service") -> list[tuple[str, str]]:
    """The lines of a section in their order."""
    text = re.split(rf"^\[{section}\]$", unit, flags=re.MULTILINE)[1].split("\n[")[0]
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


@functools.cache
def members(name: str) -> frozenset[str]:
    """The calls of a group, groups inside it included, as the installed systemd knows them."""
    if not name.startswith("@"):
        return frozenset({name})
    said = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True)
    listed = [line.strip() for line in said.stdout.splitlines()[1:] if line.strip() and line.strip()[0] != "#"]
    return frozenset().union(*map(members, listed))


def allowed(unit: str) -> frozenset[str]:
    """The calls that the unit's lines leave, the groups that systemd always allows among them."""
    calls = members("@default")
    for name, value in settings(unit):
        if name == "SystemCallFilter":
            named = frozenset().union(*map(members, value.removeprefix("~").split()))
            calls = calls - named if value.startswith("~") else calls | named
    return calls | {"execve", "exit", "exit_group", "rt_sigreturn", "getrlimit"}


def refusals(unit: str) -> Iterator[Rule]:
    """What the other lines refuse."""
    said = dict(settings(unit))
    if said.get("MemoryDenyWriteExecute") == "true":
        yield Rule("mmap", _EPERM, 2, _PROT_WRITE | _PROT_EXEC, _PROT_WRITE | _PROT_EXEC)
        yield Rule("mprotect", _EPERM, 2, _PROT_EXEC, _PROT_EXEC)
        yield Rule("pkey_mprotect", _EPERM, 2, _PROT_EXEC, _PROT_EXEC)
    free = said.get("RestrictNamespaces", " ".join(_NAMESPACES)).split()
    for name, flag in _NAMESPACES.items():
        if name not in free:
            yield from (Rule(call, _EPERM, 0, flag, flag) for call in ("unshare", "clone"))
    if "RestrictNamespaces" in said:
        yield Rule("clone3", _ENOSYS)
    families = {_FAMILIES[name] for name in said.get("RestrictAddressFamilies", "").split()}
    for family in range(_KNOWN_FAMILIES):
        if families and family not in families:
            yield Rule("socket", _EAFNOSUPPORT, 0, 0xFFFFFFFF, family)


class Confinement:
    """Ready to be laid upon the process that calls it, for good; for use between fork and exec."""

    def __init__(self, unit: str) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._refused = self._filter(_ALLOW, refusals(unit))
        self._allowed = self._filter(_EPERM, (Rule(call, _ALLOW) for call in sorted(allowed(unit))))
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._capabilities = int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1

    def _filter(self, otherwise: int, rules: Iterable[Rule]) -> ctypes.c_void_p:
        made = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))
        for rule in rules:
            number = self._library.seccomp_syscall_resolve_name(rule.call.encode())
            if number < 0:
                continue  # a call of another kind of machine
            comparisons = (_Comparison * 1)(_Comparison(max(rule.argument, 0), _MASKED, rule.mask, rule.value))
            count = int(rule.argument >= 0)
            done = self._library.seccomp_rule_add_array(
                made, ctypes.c_uint32(rule.action), number, count, ctypes.byref(comparisons)
            )
            assert done == 0, rule
        return made

    def __call__(self) -> None:
        for number in range(self._capabilities):
            self._libc.prctl(_DROP_BOUNDING, number, 0, 0, 0)
        self._libc.capset(struct.pack("<Ii", 0x20080522, 0), bytes(24))
        self._libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        for made in (self._refused, self._allowed):
            if self._library.seccomp_load(made) != 0:
                raise OSError("the filter could not be set")
