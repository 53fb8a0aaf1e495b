"""The proxies of deploy/ on free ports, with a certificate of their own, in front of a real server."""

import os
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.house.source import PROJECT
from tests.ports import free_port

NGINX = (PROJECT / "deploy" / "nginx" / "holdfast.conf").read_text(encoding="utf-8")
HAPROXY = (PROJECT / "deploy" / "haproxy" / "haproxy.cfg").read_text(encoding="utf-8")
NAME = "files.example.com"
ELSEWHERE = "127.0.0.2"
"""An address of this machine that no proxy has, to come from."""

_SECONDS = 60
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Proxy:
    """A proxy that is ready. `plain` is its port without TLS, 0 if it has none."""

    kind: str
    port: int
    plain: int
    trust: ssl.SSLContext

    @property
    def base(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def client(self, token: str | None = None) -> httpx.Client:
        """A client at another address than the proxy's."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx.HTTPTransport(verify=self.trust, local_address=ELSEWHERE)
        return httpx.Client(base_url=self.base, headers=headers, transport=transport, timeout=60)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that signs itself, and its key."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=IP:127.0.0.1,DNS:{NAME}"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """The text with each pattern replaced; one that is not there any more is a fault of the test."""
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert count, pattern
    return text


@contextmanager
def nginx(upstream: str, folder: Path, settings: str = NGINX) -> Iterator[Proxy]:
    """The project's nginx; `upstream` is a host and a port."""
    made, key = certificate(folder)
    port, plain = free_port(), free_port()
    site = replaced(
        settings,
        (r"listen \[::\].*\n", "\n"),
        (r"listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        (r"listen 80;", f"listen 127.0.0.1:{plain};"),
        (r"ssl_certificate +\S+;", f"ssl_certificate {made};"),
        (r"ssl_certificate_key +\S+;", f"ssl_certificate_key {key};"),
        (r"^    server 127.0.0.1:8080;", f"    server {upstream};"),
        (r"client_header_timeout 10s;", "client_header_timeout 2s;"),
    )
    places = "".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY)
    # Started by root it would go on as somebody who has no way into the test's folder.
    user = "user root; " if os.geteuid() == 0 else ""
    around = f"{user}daemon off; pid {folder}/pid; events {{}}\nhttp {{ access_log off; {places}"
    (folder / "nginx.conf").write_text(f"{around}\n{site}}}\n")
    arguments = ["-p", str(folder), "-e", str(folder / "errors"), "-c", str(folder / "nginx.conf")]
    subprocess.run(["nginx", "-t", *arguments], check=True, capture_output=True)
    with running("nginx", ["nginx", *arguments], port, plain, made) as proxy:
        yield proxy


@contextmanager
def haproxy(upstream: str, folder: Path) -> Iterator[Proxy]:
    """The project's HAProxy."""
    made, key = certificate(folder)
    both = folder / "both.pem"
    both.write_text(made.read_text() + key.read_text())
    port = free_port()
    settings = replaced(
        HAPROXY,
        (r"maxconn 20000", "maxconn 1000"),
        (r"bind :443", f"bind 127.0.0.1:{port}"),
        (r"/etc/ssl/files.example.com.pem", str(both)),
        (r"127.0.0.1:8080", upstream),
        (r"timeout http-request 10s", "timeout http-request 2s"),
        (r"timeout client 60s", "timeout client 4s"),
        (r"log stdout", f"log {folder / 'nobody.sock'}"),
    )
    (folder / "haproxy.cfg").write_text(settings)
    said = subprocess.run(
        ["haproxy", "-c", "-f", str(folder / "haproxy.cfg")], check=True, capture_output=True, text=True
    )
    assert "WARNING" not in said.stdout + said.stderr
    with running("haproxy", ["haproxy", "-db", "-q", "-f", str(folder / "haproxy.cfg")], port, 0, made) as proxy:
        yield proxy


@contextmanager
def running(kind: str, command: list[str], port: int, plain: int, made: Path) -> Iterator[Proxy]:
    trust = ssl.create_default_context(cafile=str(made))
    process = subprocess.Popen(command)
    try:
        proxy = Proxy(kind, port, plain, trust)
        _wait_until_ready(proxy, process)
        yield proxy
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(proxy: Proxy, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    with proxy.client() as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get("/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
    raise AssertionError(f"{proxy.kind} did not get ready")
