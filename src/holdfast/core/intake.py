"""Bytes on their way in: counted, sniffed and written, and gone again unless a change takes them."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from holdfast.core.errors import DigestMismatch, Invalid, TooLarge, UnsupportedType
from holdfast.core.model import Account, Blob
from holdfast.core.ports import BlobWriter, Received, Sniff

_HEAD = 4096


class Intake:
    """One body being received. An async context manager: leaving it undoes whatever no change has taken.

    `take` streams the body once. After that `name`, `media_type`, `size` and `sha256` are known.
    """

    __slots__ = ("_allowed", "_limit", "_locator", "_received", "_settled", "_sniff", "_writer", "media_type", "name")

    def __init__(self, writer: BlobWriter, sniff: Sniff, limit: int, allowed: frozenset[str] | None) -> None:
        self._writer = writer
        self._sniff = sniff
        self._limit = limit
        self._allowed = allowed
        self._received: Received | None = None
        self._locator: str | None = None
        self._settled = False
        self.name = ""
        self.media_type = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._settled:
            await self._writer.cancel()

    @property
    def size(self) -> int:
        """Bytes received. Raises `Invalid` before the end of the body."""
        return self._whole.size

    @property
    def sha256(self) -> bytes:
        """Their digest. Raises `Invalid` before the end of the body."""
        return self._whole.sha256

    @property
    def locator(self) -> str | None:
        """Where `store` has written the bytes, if it has."""
        return self._locator

    @property
    def _whole(self) -> Received:
        if self._received is None:
            raise Invalid("No file was sent", fields={"file": "missing"})
        return self._received

    async def take(self, chunks: AsyncIterator[bytes], *, name: str, declared_type: str | None = None) -> Self:
        """Receive the body. Raises `TooLarge` as soon as the limit is passed, `UnsupportedType` as soon as the head
        is known, `StorageFull`, and whatever the source of the chunks raises, `Incomplete` above all."""
        self.name = name
        size, head = 0, b""
        async for chunk in chunks:
            size += len(chunk)
            if size > self._limit:
                raise TooLarge(self._limit)
            if not self.media_type:
                head += chunk[: _HEAD - len(head)]
                if len(head) == _HEAD:
                    self._recognise(head, declared_type)
            await self._writer.write(chunk)
        if not self.media_type:
            self._recognise(head, declared_type)
        self._received = await self._writer.finish()
        return self

    def expect(self, sha256: bytes) -> None:
        """Hold the digest that the client announced against ours. Raises `DigestMismatch`."""
        if sha256 != self.sha256:
            raise DigestMismatch("The bytes received do not have the announced SHA-256")

    def _recognise(self, head: bytes, declared_type: str | None) -> None:
        self.media_type = self._sniff(head, self.name, declared_type)
        if self._allowed is not None and self.media_type not in self._allowed:
            raise UnsupportedType(f"Files of type {self.media_type} are not accepted here")

    async def store(self, known: Blob | None) -> None:
        """Make the bytes durable, unless a sound blob in use already holds them."""
        if self._locator is None and (known is None or known.refs == 0 or known.damaged_at is not None):
            self._locator = await self._writer.commit()

    def taken(self) -> None:
        """A committed change relies on the bytes: leaving the context keeps them."""
        self._settled = True

    def unsure(self) -> None:
        """Nobody knows whether the change was committed: keep the bytes, upkeep will tell."""
        self._settled = True


def allowed_types(account: Account) -> frozenset[str] | None:
    """The exact media types that the account accepts, None for all."""
    allowed = account.settings.allowed_types
    return None if allowed is None else frozenset(allowed)


def check_type_on(account: Account, record_type: str, media_type: str) -> None:
    """Whether such a file may hang on records of that type. Raises `UnsupportedType`."""
    allowed = account.settings.allowed_types_on.get(record_type)
    if allowed is not None and media_type not in allowed:
        raise UnsupportedType(f"Files of type {media_type} are not accepted on a {record_type}")
