"""The answer of a handler, as a value."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

Headers = tuple[tuple[str, str], ...]
FixedHeaders = tuple[tuple[bytes, bytes], ...]
Stream = Callable[[], AsyncIterator[bytes]]
"""A body that comes piece by piece, from its beginning each time."""

_encode = msgspec.json.Encoder().encode


class Reply(msgspec.Struct, frozen=True):
    """What to send. `size` is the length of a streamed body where it is known.

    `fixed` are headers ready for the wire; where they are given they replace the default ones that every answer
    carries. Content-Length, the request id and what a failure obliges to (`Allow`, `Retry-After`,
    `WWW-Authenticate`) are added by the application.
    """

    status: int = 200
    body: bytes | Stream = b""
    media_type: str | None = None
    headers: Headers = ()
    size: int | None = None
    fixed: FixedHeaders | None = None

    def adding(self, *headers: tuple[str, str]) -> "Reply":
        """The same answer with more headers."""
        return msgspec.structs.replace(self, headers=self.headers + headers)


def json(value: object, status: int = 200, *, headers: Headers = (), media_type: str = JSON) -> Reply:
    """A JSON document."""
    return Reply(status, _encode(value), media_type, headers)


def empty(status: int = 204, *, headers: Headers = ()) -> Reply:
    """No body."""
    return Reply(status, b"", None, headers)


def text(value: str, status: int = 200, *, headers: Headers = (), media_type: str = TEXT) -> Reply:
    """Plain text, or any other text type."""
    return Reply(status, value.encode(), media_type, headers)
