"""Ids made here."""

from holdfast.core.ports import Entropy


def uuid7(now: int, entropy: Entropy) -> str:
    """A UUID version 7 (RFC 9562 section 5.7) in canonical text: `now` in microseconds, the rest random.

    The twelve bits after the milliseconds hold the microseconds (method 3 of section 6.2), so ids made in one
    process follow their time.
    """
    milliseconds, rest = divmod(now, 1000)
    random = entropy(8)
    digits = (
        f"{milliseconds & 0xFFFFFFFFFFFF:012x}7{rest * 4096 // 1000:03x}{random[0] & 0x3F | 0x80:02x}{random[1:].hex()}"
    )
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
