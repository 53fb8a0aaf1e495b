"""Digests that a client announces for the body it sends: Content-Digest and Repr-Digest (RFC 9530), Content-MD5.

A request has no content coding here and is never partial, so its content is its representation: both fields speak of
the same bytes, those of the message body. For a form that is the whole form, not the file in it.
"""

import hashlib
import re
from binascii import Error, a2b_base64
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec

from holdfast.core.errors import DigestMismatch, Malformed

SHA256: Final = "sha-256"

_FIELDS: Final = frozenset({b"content-digest", b"repr-digest", b"content-md5"})
_MAX_FIELD: Final = 8192
_SIZES: Final = {SHA256: 32, "sha-512": 64}
_NAMES: Final = {SHA256: "sha256", "sha-512": "sha512", "md5": "md5"}
_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*")


class Digest(msgspec.Struct, frozen=True):
    """One announcement: an algorithm by its name in RFC 9530 (or `md5`), and what the body must hash to."""

    algorithm: str
    value: bytes


def announced(headers: Iterable[tuple[bytes, bytes]]) -> tuple[Digest, ...]:
    """All that these fields announce in algorithms that we check; other algorithms are as if they were not there.

    A field that cannot be read raises `Malformed`: a client that announces a digest relies on its being checked.
    """
    found: list[Digest] = []
    for name, value in headers:
        if name in _FIELDS:
            text = value.decode("latin-1")
            if len(text) > _MAX_FIELD:
                raise Malformed("A digest field is too long")
            found.extend([_md5(text)] if name == b"content-md5" else _dictionary(text))
    return tuple(found)


async def checked(chunks: AsyncIterator[bytes], digests: Iterable[Digest]) -> AsyncIterator[bytes]:
    """The same chunks; at their end raises `DigestMismatch` unless all that was announced holds."""
    expected = tuple(digests)
    running = {digest.algorithm: hashlib.new(_NAMES[digest.algorithm], usedforsecurity=False) for digest in expected}
    async for chunk in chunks:
        for hash in running.values():
            hash.update(chunk)
        yield chunk
    for digest in expected:
        if running[digest.algorithm].digest() != digest.value:
            raise DigestMismatch(f"The bytes received do not have the announced {digest.algorithm}")


def _md5(text: str) -> Digest:
    return Digest("md5", _decoded(text.strip(" \t"), 16))


def _dictionary(text: str) -> Iterable[Digest]:
    """A dictionary of byte sequences (RFC 9651 section 3.2). Parameters mean nothing here."""
    if not text.strip(" \t"):
        return
    for member in text.split(","):
        key, equals, value = member.partition(";")[0].strip(" \t").partition("=")
        if not equals or not _KEY.fullmatch(key) or len(value) < 2 or value[0] != ":" or value[-1] != ":":
            raise Malformed("A digest field is written algorithm=:base64:")
        if key in _SIZES:
            yield Digest(key, _decoded(value[1:-1], _SIZES[key]))


def _decoded(text: str, size: int) -> bytes:
    try:
        value = a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except (Error, ValueError):
        value = b""
    if len(value) != size:
        raise Malformed("An announced digest is not base64 of the right length")
    return value
