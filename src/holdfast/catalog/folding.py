"""How text is compared when case is ignored, and how names are cut into pieces that an index can find.

Two texts are the same here when they differ only by case or by Unicode normal form (é as one character or as two).
Pieces are ASCII words made of the account's number and the UTF-8 bytes of a few characters in hex, so that nothing a
person types ever reaches the search engine's own grammar, and no account's pieces are another's.
"""

import re
import unicodedata
from typing import Final

_ASCII_WORD: Final = re.compile(r"[0-9A-Za-z]+")

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x3FFFF),  # Han, later extensions
)


def fold(text: str) -> str:
    """The text without differences of case and of normal form."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def search_parts(words: str) -> tuple[str, ...]:
    """The blank-separated parts of a search, folded, each once."""
    return tuple(dict.fromkeys(fold(words).split()))


def begins_word(folded: str, start: int) -> bool:
    """Whether a word begins at that place: not inside a run of letters, digits and marks.

    In scripts that write words without spaces every character begins one.
    """
    if start == 0:
        return True
    here = folded[start]
    return not _in_word(folded[start - 1]) or not _in_word(here) or _unspaced(here)


def matches(folded: str, part: str) -> bool:
    """Whether a folded part is found in a folded name: anywhere from three characters on, else where a word begins."""
    if len(part) > 2:
        return part in folded
    at = folded.find(part)
    while at >= 0:
        if begins_word(folded, at):
            return True
        at = folded.find(part, at + 1)
    return False


def name_pieces(account: int, folded: str) -> str:
    """The pieces to index for a name: all its trigrams, and the first one and two characters of its words."""
    return " ".join(_ascii_pieces(account, folded) if folded.isascii() else _pieces(account, folded))


def _pieces(account: int, folded: str) -> set[str]:
    pieces = {_trigram(account, folded[at : at + 3]) for at in range(len(folded) - 2)}
    return pieces | {_opening(account, opening) for opening in word_openings(folded)}


def _ascii_pieces(account: int, folded: str) -> set[str]:
    """The same, several times as fast, because every character is one byte: an upload waits for this."""
    digits = folded.encode().hex()
    pieces = {f"{account}x{digits[at : at + 6]}" for at in range(0, len(digits) - 5, 2)}
    for word in _ASCII_WORD.finditer(folded):
        at = 2 * word.start()
        pieces.add(f"{account}w{digits[at : at + 2]}")
        pieces.add(f"{account}w{digits[at : at + 4]}")
    return pieces


def word_openings(folded: str) -> set[str]:
    """The first one and two characters of every word of a folded name."""
    starts = [at for at, here in enumerate(folded) if _in_word(here) and begins_word(folded, at)]
    return {folded[at : at + length] for at in starts for length in (1, 2)}


def part_pieces(account: int, part: str) -> tuple[str, ...]:
    """The pieces that every name holding this part has; none if the index cannot help."""
    if len(part) > 2:
        return tuple(dict.fromkeys(_trigram(account, part[at : at + 3]) for at in range(len(part) - 2)))
    return (_opening(account, part),) if begins_in_word(part) else ()


def begins_in_word(part: str) -> bool:
    """Whether a part begins with a letter, digit or mark: only then does it matter where in a name it stands."""
    return _in_word(part[0])


def prefix_end(prefix: str) -> str | None:
    """The smallest text greater than every text with this prefix, by code point; None if there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[at])
        if point < 0x10FFFF:
            return prefix[:at] + chr(0xE000 if point == 0xD7FF else point + 1)
    return None


def _trigram(account: int, text: str) -> str:
    return f"{account}x{text.encode().hex()}"


def _opening(account: int, text: str) -> str:
    return f"{account}w{text.encode().hex()}"


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _unspaced(character: str) -> bool:
    point = ord(character)
    return point >= 0x0E00 and any(first <= point <= last for first, last in _UNSPACED)
