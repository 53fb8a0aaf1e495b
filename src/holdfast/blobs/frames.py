r"""How small blobs lie in a segment.

    segment   "HFSEG\x00\x01\n", its name as 8 bytes, then frames without gaps
    frame     "HFBL", length, account, SHA-256, checksum of the payload, checksum of the header so far; payload

All numbers are little-endian, all checksums CRC-32. The header's is seeded with the segment's random name, so
that nothing inside a client's bytes can pass for a frame. The first bytes only tell what the file is; frames are read
without them, so that damage there costs nothing. After the last frame come zeros (room taken in advance) or the torn
end of a group that nobody was told about.
"""

import struct
from collections.abc import Sequence

import msgspec
from zlib_ng.zlib_ng import crc32

from holdfast.blobs import locators

_SEGMENT_MAGIC = b"HFSEG\x00\x01\n"
_FRAME = struct.Struct("<4sIQ32sI")
_FRAME_MAGIC = b"HFBL"
_CHECKSUM = struct.Struct("<I")
SEGMENT_HEADER = len(_SEGMENT_MAGIC) + locators.SEGMENT_BYTES
FRAME_HEADER = _FRAME.size + _CHECKSUM.size
PAYLOAD_MAX = 256 * 1024


class Header(msgspec.Struct, frozen=True):
    """A frame's header: `length` of the payload in bytes, `checksum` its CRC-32."""

    account: int
    length: int
    sha256: bytes
    checksum: int


def segment_header(segment: str) -> bytes:
    """The first bytes of a segment of that name."""
    return _SEGMENT_MAGIC + bytes.fromhex(segment)


def seed_of(segment: str) -> int:
    """What the checksums of the headers in that segment start from."""
    return crc32(segment.encode())


def frame_header(header: Header, seed: int) -> bytes:
    """The bytes before a payload."""
    packed = _FRAME.pack(_FRAME_MAGIC, header.length, header.account, header.sha256, header.checksum)
    return packed + _CHECKSUM.pack(crc32(packed, seed))


def parse_frame(view: memoryview | bytes, seed: int) -> Header | None:
    """The header at the start of `view`, or None if there is no whole and sound one."""
    if len(view) < FRAME_HEADER:
        return None
    magic, length, account, sha256, checksum = _FRAME.unpack_from(view)
    (own,) = _CHECKSUM.unpack_from(view, _FRAME.size)
    if magic != _FRAME_MAGIC or length > PAYLOAD_MAX or own != crc32(view[: _FRAME.size], seed):
        return None
    return Header(account, length, sha256, checksum)


def payload_checksum(chunks: Sequence[bytes | memoryview]) -> int:
    """The CRC-32 of the chunks in a row."""
    checksum = 0
    for chunk in chunks:
        checksum = crc32(chunk, checksum)
    return checksum
