"""Locators: how the catalog remembers where bytes lie.

    f:<account>/<aa>/<sha256>-<suffix>      a file of its own; `aa` are the first two digits of the digest
    s:<segment>:<offset>:<length>           a frame of a shared segment; `offset` is that of the frame's header

Nothing but this grammar ever becomes a path, so no locator can name anything outside the root.
"""

import re

import msgspec

SUFFIX_BYTES = 8
SEGMENT_BYTES = 8
_ACCOUNT = re.compile(r"0|[1-9][0-9]{0,18}")
_SHELF = re.compile(r"[0-9a-f]{2}")
_NAME = re.compile(r"([0-9a-f]{64})-([0-9a-f]{16})")
_SEGMENT_FILE = re.compile(r"([0-9a-f]{16})\.seg")
_FILE = re.compile(r"f:(0|[1-9][0-9]{0,18})/([0-9a-f]{2})/(\2[0-9a-f]{62})-([0-9a-f]{16})")
_FRAME = re.compile(r"s:([0-9a-f]{16}):(0|[1-9][0-9]{0,11}):(0|[1-9][0-9]{0,9})")


class FileAt(msgspec.Struct, frozen=True):
    """A blob in a file of its own. `digest` and `suffix` are lower-case hex."""

    account: int
    digest: str
    suffix: str

    @property
    def folder(self) -> tuple[str, str]:
        """The folders below the root that lead to the file."""
        return str(self.account), self.digest[:2]

    @property
    def name(self) -> str:
        """The file's name in its folder."""
        return f"{self.digest}-{self.suffix}"

    def __str__(self) -> str:
        return f"f:{self.account}/{self.digest[:2]}/{self.digest}-{self.suffix}"


class FrameAt(msgspec.Struct, frozen=True):
    """A blob in a frame of a segment; `offset` and `length` in bytes, the length without the frame's header."""

    segment: str
    offset: int
    length: int

    def __str__(self) -> str:
        return f"s:{self.segment}:{self.offset}:{self.length}"


def parse(locator: str) -> FileAt | FrameAt | None:
    """The place that a locator names, or None if it is not one that this store could have given."""
    if match := _FRAME.fullmatch(locator):
        return FrameAt(match[1], int(match[2]), int(match[3]))
    if match := _FILE.fullmatch(locator):
        return FileAt(int(match[1]), match[3], match[4])
    return None


def is_account(folder: str) -> bool:
    """Whether a folder of the root holds an account's files."""
    return _ACCOUNT.fullmatch(folder) is not None


def is_shelf(folder: str) -> bool:
    """Whether a folder of an account holds files."""
    return _SHELF.fullmatch(folder) is not None


def file_at(account: str, shelf: str, name: str) -> FileAt | None:
    """The place of a file found on the disk, or None if it is none of ours."""
    match = _NAME.fullmatch(name)
    if match is None or not match[1].startswith(shelf):
        return None
    return FileAt(int(account), match[1], match[2])


def segment_file(segment: str) -> str:
    """The name of a segment's file."""
    return f"{segment}.seg"


def segment_prefix(segment: str) -> str:
    """What the locators of all frames of a segment begin with."""
    return f"s:{segment}:"


def segment_of(name: str) -> str | None:
    """The segment kept in a file of that name, or None if it is none of ours."""
    match = _SEGMENT_FILE.fullmatch(name)
    return None if match is None else match[1]
