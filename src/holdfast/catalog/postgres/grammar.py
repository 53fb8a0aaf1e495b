"""What PostgreSQL writes in its own way: JSON, folded text, and the search index of names."""

# ruff: noqa: S608 (the text is put together from constants only, every value is bound)

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.catalog.compile import NEVER, Names, SortKey, Sql
from holdfast.catalog.folding import begins_in_word, word_openings
from holdfast.catalog.rowcodec import indexed_properties, indexed_value
from holdfast.core.ports import Scalar

MOST_PIECES = 4
SEPARATOR = "\x1f"


class PostgresGrammar:
    """`Grammar` of PostgreSQL."""

    contains = "strpos(fold({}), ?) > 0"

    def member(self, document: str, keys: Sequence[str]) -> "_Member":
        """As `Grammar.member`."""
        return _Member(_reached(document, keys))

    def member_order(self, document: str, keys: Sequence[str], *, descending: bool) -> Sequence[SortKey]:
        """As `Grammar.member_order`: the kind of value first, then the value as each kind sorts."""
        value = _reached(document, keys)
        ways = ("json_rank(", ")"), ("json_number(", ")"), ("json_text(", ') COLLATE "C"')
        return [SortKey(Sql(before) + value + after, descending) for before, after in ways]

    def has_part(self, row: str, part: str) -> Sql:
        """As `Grammar.has_part`."""
        if len(part) > 2 or not begins_in_word(part):
            return Sql(f"strpos({row}.folded, ?) > 0", (part,))
        return Sql(f"strpos({row}.openings, ?) > 0", (f"{SEPARATOR}{part}{SEPARATOR}",))

    def names(self, pieces: Sequence[str]) -> Names:
        """As `Grammar.names`; the engine's own figures tell it with which piece to begin."""
        match = Sql("n.piece = ?", (pieces[0],))
        for piece in pieces[1 :: max(1, len(pieces) // MOST_PIECES)]:
            match += Sql(
                " AND n.attachment IN (SELECT o.attachment FROM attachment_names o WHERE o.piece = ?)", (piece,)
            )
        return Names("attachment_names n", "n.attachment", match)

    def property_is(self, account: int, name: str, value: Scalar) -> Sql | None:
        """As `Grammar.property_is`."""
        column = indexed_value(value)
        if column is None:
            return None
        return Sql("p.account = ? AND p.word = ?", (account, property_word(name, column)))

    def arm(self, select: Sql, order: str, limit: int) -> Sql:
        """As `Grammar.arm`: the engine would read each arm to its end before it merged them."""
        return Sql("SELECT * FROM (") + select + f" ORDER BY {order}" + Sql(" LIMIT ?) arm", (limit,))


class _Member:
    def __init__(self, value: Sql) -> None:
        self._value = value
        self.is_null = Sql("coalesce(json_typeof(") + value + "), 'null') = 'null'"

    def present(self, kind: str, test: str, args: tuple[Scalar, ...]) -> Sql:
        """As `Operand.present`; a value of another kind gives NULL, and NULL is no match."""
        if kind == "bytes":
            return NEVER
        of_kind = Sql("json_words(") + self._value + ') COLLATE "C"'
        if kind == "number":
            of_kind = Sql("json_figure(") + self._value + ")"
            args = tuple(map(_figure, args))
        before, after = test.split("{}")
        return Sql("coalesce(" + before) + of_kind + Sql(after, args) + ", FALSE)"

    def is_literal(self, name: str) -> Sql:
        """As `Operand.is_literal`; text is in quotes where a literal is not."""
        return Sql("coalesce((") + self._value + f")::text = '{name}', FALSE)"


def openings_column(folded: str) -> str:
    """The beginnings of the words of a folded name as one text, in which each is found between two separators."""
    return f"{SEPARATOR}{SEPARATOR.join(sorted(word_openings(folded)))}{SEPARATOR}"


def property_words(properties: Mapping[str, Any]) -> set[bytes]:
    """The words to index for a property object."""
    return {property_word(name, value) for name, value in indexed_properties(properties)}


def property_word(name: str, value: Scalar) -> bytes:
    """A 128-bit digest of a property's name and value, the same for numbers that are equal."""
    return hashlib.blake2b("\0".join(_spelled(name, value)).encode(), digest_size=16).digest()


def _spelled(name: str, value: Scalar) -> Iterator[str]:
    yield name
    if isinstance(value, bytes):
        yield from ("literal", value.hex())
    elif isinstance(value, str):
        yield from ("text", value)
    else:
        # Beyond 64 bits the index holds floats, and every number of them is compared as one.
        yield from ("number", str(int(value)) if value is not None and value == int(value) else repr(value))


def _reached(document: str, keys: Sequence[str]) -> Sql:
    return Sql(f"(CAST({document} AS json)" + " -> CAST(? AS text)" * len(keys) + ")", tuple(keys))


def _figure(value: Scalar) -> Any:  # noqa: ANN401 -- a type of the engine's driver
    # The shortest decimal that reads back as the same float is also how it was stored.
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(int(value or 0))
