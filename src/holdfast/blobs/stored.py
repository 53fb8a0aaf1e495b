"""What upkeep sees when it walks the store."""

from typing import Literal

import msgspec


class Stored(msgspec.Struct, frozen=True):
    """One thing found on the disk.

    `locator` names a file or a frame as the catalog does, a temporary by its file name. `size` in bytes,
    `modified_at` in microseconds since the epoch; a frame has the time of its segment.
    """

    kind: Literal["file", "frame", "temporary"]
    locator: str
    size: int
    modified_at: int
