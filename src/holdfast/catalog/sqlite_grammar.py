"""What SQLite writes in its own way: JSON, folded text, and the search index of names."""

from collections.abc import Sequence

import msgspec

from holdfast.catalog.compile import NEVER, Names, SortKey, Sql, bound
from holdfast.catalog.rowcodec import indexed_value
from holdfast.core.ports import Scalar


class SqliteGrammar:
    """`Grammar` of SQLite."""

    contains = "instr(fold({}), ?) > 0"

    def member(self, document: str, keys: Sequence[str]) -> "_Member":
        """As `Grammar.member`."""
        return _Member(document, _path(keys))

    def member_order(self, document: str, keys: Sequence[str], *, descending: bool) -> Sequence[SortKey]:
        """As `Grammar.member_order`; the engine itself sorts values of several kinds."""
        return [SortKey(Sql(f"json_extract({document}, ?)", (_path(keys),)), descending, optional=True)]

    def has_part(self, row: str, part: str) -> Sql:
        """As `Grammar.has_part`."""
        return Sql(f"instr({row}.folded, ?) > 0" if len(part) > 2 else f"has_part({row}.folded, ?)", (part,))

    def names(self, pieces: Sequence[str]) -> Names:
        """As `Grammar.names`, from the full-text index."""
        return Names("attachment_names n", "n.rowid", Sql("n.attachment_names MATCH ?", (" AND ".join(pieces),)))

    def property_is(self, account: int, name: str, value: Scalar) -> Sql | None:
        """As `Grammar.property_is`."""
        column = indexed_value(value)
        if column is None:
            return None
        return Sql("p.account = ? AND p.name = ? AND p.value = ?", (account, name, bound(column)))

    def arm(self, select: Sql, order: str, limit: int) -> Sql:
        """As `Grammar.arm`; the engine merges ordered arms as they come."""
        return select


class _Member:
    def __init__(self, document: str, path: str) -> None:
        self._type = Sql(f"json_type({document}, ?)", (path,))
        self._value = Sql(f"json_extract({document}, ?)", (path,))
        self.is_null = Sql("coalesce(") + self._type + ", 'null') = 'null'"

    def present(self, kind: str, test: str, args: tuple[Scalar, ...]) -> Sql:
        """As `Operand.present`."""
        if kind == "bytes":
            return NEVER
        # One more comparison makes the test 0 for a missing value, where IN alone would be NULL.
        holds = ", '') = 'text'" if kind == "text" else ", '') IN ('integer', 'real')"
        before, after = test.split("{}")
        compared = Sql(before) + self._value + Sql(after, tuple(map(bound, args)))
        return Sql("(coalesce(") + self._type + holds + " AND " + compared + ")"

    def is_literal(self, name: str) -> Sql:
        """As `Operand.is_literal`."""
        return self._type + f" IS '{name}'"


def _path(keys: Sequence[str]) -> str:
    return "$" + "".join(f".{msgspec.json.encode(key).decode()}" for key in keys)
