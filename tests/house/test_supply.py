"""What the server is made of: libraries without the holes that are known, and nothing that calls out."""

import ast
import re

import pytest

from tests.house.source import PROJECT, SOURCE, python_files

FLOORS = {
    "aiohttp": (3, 14, 2),
    "h11": (0, 16, 0),
    "multipart": (1, 3, 1),
    "pillow": (12, 3, 0),
    "python-multipart": (0, 0, 32),
    "starlette": (1, 3, 1),
}
"""The first versions without the holes that advisories name; a library that no lock has is here in case it comes."""

CALLING = frozenset(
    {
        "aiohttp",
        "ftplib",
        "http.client",
        "httpx",
        "requests",
        "smtplib",
        "socket",
        "socketserver",
        "ssl",
        "urllib.request",
        "urllib3",
        "websockets",
        "xmlrpc",
    }
)
"""Modules that can open connections. The object store and the database have libraries of their own."""


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@pytest.mark.parametrize("lock", ["redbot.lock", "run.lock", "test.lock"])
def test_no_library_is_older_than_its_last_known_hole(lock: str) -> None:
    text = (PROJECT / "requirements" / lock).read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    assert {name: pinned[name] for name in FLOORS if name in pinned and version(pinned[name]) < FLOORS[name]} == {}


def imported(source: str) -> set[str]:
    """Every module that a source imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_server_calls_nobody() -> None:
    """Two modules listen on the server's own port, two hand files to children over a pair of sockets without a name;
    none has a way to open a connection to elsewhere."""
    found = {
        str(path.relative_to(SOURCE)): sorted(imported(path.read_text(encoding="utf-8")) & CALLING)
        for path in python_files(SOURCE)
    }
    listening, pairing = ("cli/serving.py", "transport/server.py"), ("media/renditions.py", "media/zygote.py")
    known = {name: ["socket"] for name in (*listening, *pairing)}
    assert {name: modules for name, modules in found.items() if modules} == known
    for name in pairing:
        assert not re.findall(r"AF_INET|connect\(|create_connection", (SOURCE / name).read_text(encoding="utf-8"))
    assert imported("def f():\n    from urllib import request") & CALLING == {"urllib.request"}
