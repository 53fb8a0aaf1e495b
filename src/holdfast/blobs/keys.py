"""Keys of an object store, below the prefix, and the locators by which the catalog remembers them.

    <account>/<sha256>-<random>      a body that was sent in one piece
    <account>/<random>               one that was sent in parts, before its digest was known

A locator is `o:` and the key. The random part makes every commit an object of its own, so undoing one upload can never
take the bytes of another. Nothing but this grammar ever becomes a key, so no locator can name anything else.
"""

import re

import msgspec

SUFFIX_BYTES = 8
NAME_BYTES = 16
_KEY = re.compile(r"(0|[1-9][0-9]{0,18})/(?:([0-9a-f]{64})-([0-9a-f]{16})|([0-9a-f]{32}))")
_MARK = "o:"


class ObjectAt(msgspec.Struct, frozen=True):
    """A blob in an object of its own. `digest`, in lower-case hex, is None if the key does not tell it."""

    account: int
    name: str
    digest: str | None

    @property
    def key(self) -> str:
        """The key below the prefix."""
        return f"{self.account}/{self.name}"

    def __str__(self) -> str:
        return f"{_MARK}{self.key}"


def whole(account: int, sha256: bytes, suffix: bytes) -> ObjectAt:
    """The place of a body that is sent in one piece."""
    return ObjectAt(account, f"{sha256.hex()}-{suffix.hex()}", sha256.hex())


def parted(account: int, name: bytes) -> ObjectAt:
    """The place of a body that is sent in parts."""
    return ObjectAt(account, name.hex(), None)


def parse(locator: str) -> ObjectAt | None:
    """The place that a locator names, or None if it is not one that this store could have given."""
    return object_at(locator.removeprefix(_MARK)) if locator.startswith(_MARK) else None


def object_at(key: str) -> ObjectAt | None:
    """The place of an object that was found, or None if it is none of ours."""
    match = _KEY.fullmatch(key)
    return None if match is None else ObjectAt(int(match[1]), key.partition("/")[2], match[2])
