"""Logs as JSON lines, without secrets.

The access log does not go through `logging`, whose records cost more than a whole request: one encoded value is
appended to a buffer that is written a few times a second.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote_plus

import msgspec

from holdfast.web.dialect import Call
from holdfast.web.metrics import Endpoint

REDACTED: Final = "[redacted]"

_SECRET_NAMES: Final = ("token", "secret", "passw", "key", "sig", "auth", "code", "session", "credential")
_SECRET_VALUE: Final = re.compile(r"[A-Za-z0-9_.+/=~%-]{32,}")
_SECRET_TEXT: Final = re.compile(r"(?i)(\b(?:bearer|basic)\s+)[^\s\"',]+|\b[0-9a-f]{64}\b")
_SECRET_PAIR: Final = re.compile(
    r"(?i)([?&\"'](?:access[-_]token|token|\w{0,20}secret|password|key|sig)[\"']?[=:]\s*)[^&\s]+"
)
_MAX_PATH: Final = 2048

_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answered request. Times in seconds since the epoch and in milliseconds; sizes are body bytes."""

    time: float
    request_id: str
    client: str
    method: str
    path: str
    status: int
    ms: float
    received: int
    sent: int
    dialect: str
    route: str
    query: str = ""
    account: int | None = None
    actor: str = ""
    cut: bool = False


class AccessLog:
    """Takes each answered request; `write` gets whole lines."""

    __slots__ = ("_buffer", "_clock", "_delay", "_handle", "_size", "_write")

    def __init__(self, write: Callable[[bytes], object], clock: Callable[[], float], delay: float = 0.25) -> None:
        self._write = write
        self._clock = clock
        self._delay = delay
        self._buffer: list[bytes] = []
        self._size = 0
        self._handle: asyncio.TimerHandle | None = None

    def __call__(self, call: Call, endpoint: Endpoint, status: int, seconds: float) -> None:
        """Note one request."""
        req, wire, identity = call.req, call.wire, call.identity
        line = Line(
            round(self._clock(), 3),
            call.request_id,
            call.client,
            req.method,
            req.path[:_MAX_PATH],
            status,
            round(seconds * 1000, 3),
            wire.received,
            wire.sent,
            endpoint.dialect.name,
            endpoint.template,
            redacted_query(req.query_string) if req.query_string else "",
            identity.account if identity is not None else None,
            identity.id if identity is not None else "",
            wire.cut or wire.gone,
        )
        encoded = _encode(line)
        self._buffer.append(encoded)
        self._size += len(encoded)
        if self._size > 1 << 16:
            self.flush()
        elif self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(self._delay, self.flush)

    def flush(self) -> None:
        """Write what is waiting."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._buffer:
            lines = b"\n".join(self._buffer) + b"\n"
            self._buffer.clear()
            self._size = 0
            self._write(lines)


class JsonFormatter(logging.Formatter):
    """Records of `logging` as JSON lines with the request's id, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted_text(record.getMessage()),
        }
        request_id = getattr(record, "request_id", None)
        if request_id is not None:
            entry["request_id"] = request_id
        if record.exc_info:
            entry["exception"] = redacted_text(self.formatException(record.exc_info))
        return _encode(entry).decode()


def redacted_query(query: str) -> str:
    """The query with the values of secret-looking names, and secret-looking values, taken out."""
    pairs = []
    for pair in query[:_MAX_PATH].split("&"):
        name, equals, value = pair.partition("=")
        lowered = unquote_plus(name).lower()
        secret = any(word in lowered for word in _SECRET_NAMES) or _SECRET_VALUE.search(value) is not None
        pairs.append(f"{name}={REDACTED}" if equals and secret else pair)
    return "&".join(pairs)


def redacted_text(text: str) -> str:
    """Free text with credentials and tokens taken out."""
    return _SECRET_PAIR.sub(rf"\1{REDACTED}", _SECRET_TEXT.sub(lambda found: f"{found[1] or ''}{REDACTED}", text))
