"""Conditions, orders and windows to SQL. Field names come from the tables below only, values are always bound."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, Self

from holdfast.catalog.folding import fold, prefix_end
from holdfast.core.errors import Invalid
from holdfast.core.ports import Order, Scalar, Where, Window

LAST_KEY = 2**63 - 1


class Sql(NamedTuple):
    """A piece of SQL and the values bound in it, in order."""

    text: str
    args: tuple[Any, ...] = ()

    def __add__(self, other: object) -> Self:
        text, args = (other.text, other.args) if isinstance(other, Sql) else (str(other), ())
        return type(self)(self.text + text, self.args + args)


# A literal 0 would make the engine's parser drop the conditions beside it, and with them the reason for an index.
NEVER = Sql("? = 1", (0,))


def joined(separator: str, parts: Sequence[Sql]) -> Sql:
    """The parts with the separator between them."""
    return Sql(separator.join(part.text for part in parts), tuple(arg for part in parts for arg in part.args))


def all_of(parts: Sequence[Sql]) -> Sql:
    """The conjunction; true when there are no parts."""
    return joined(" AND ", parts) if parts else Sql("TRUE")


def any_of(parts: Sequence[Sql]) -> Sql:
    """The disjunction in brackets; false when there are no parts."""
    return Sql("(") + joined(" OR ", parts) + ")" if parts else NEVER


def one_of(column: str, values: Sequence[Scalar]) -> Sql:
    """The column holds one of the values, none of which is None."""
    if not values:
        return NEVER
    if len(values) == 1:
        return Sql(f"{column} = ?", (bound(values[0]),))
    return Sql(f"{column} IN ({', '.join('?' * len(values))})", tuple(bound(value) for value in values))


def below(column: str, path: str) -> Sql:
    """The path in the column lies strictly below this folder."""
    if path == "/":
        return Sql(f"{column} IS NOT NULL")
    return Sql(f"({column} >= ? AND {column} < ?)", (f"{path}/", f"{path}0"))


class Column(NamedTuple):
    """A field that may be asked for: its SQL, what it holds, and whether it may be missing."""

    sql: str
    holds: Literal["text", "number", "bytes"]
    optional: bool = False


def _columns(alias: str, **groups: str) -> Mapping[str, Column]:
    found: dict[str, Column] = {}
    for holds, names in groups.items():
        for name in names.split():
            bare = name.rstrip("?")
            found[bare] = Column(f"{alias}.{bare}", holds, name != bare)  # type: ignore[arg-type]
    return found


class Fields(NamedTuple):
    """What can be asked of one kind of row: its columns, and a JSON document reached by `<prefix>.<key>`."""

    columns: Mapping[str, Column]
    prefix: str
    document: str

    def member(self, field: str) -> tuple[str, ...] | None:
        """The keys that lead into the document, or None for a column. Raises `Invalid` for an unknown field."""
        if field in self.columns:
            return None
        head, dot, key = field.partition(".")
        if head != self.prefix or not dot:
            raise Invalid(f"Unknown field {field!r}", fields={field: "unknown field"})
        return tuple(key.split("."))


ATTACHMENT_FIELDS = Fields(
    _columns(
        "a",
        text="id name description? media_type folder? path? path_md5? created_by updated_by",
        number="number size version revision created_at updated_at trashed_at?",
        bytes="sha256",
    ),
    "property",
    "a.properties",
)
RECORD_FIELDS = Fields(
    _columns("r", text="type id state? created_by updated_by", number="number revision created_at updated_at"),
    "attribute",
    "r.attributes",
)
FOLDER_FIELDS = Fields(
    {
        **_columns("f", text="path path_md5"),
        "name": Column("ltrim(substr(f.path, length(f.parent) + 1), '/')", "text"),
    },
    "",
    "",
)

_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Operand(Protocol):
    """What a condition looks at: a column, or a member of a JSON document."""

    @property
    def is_null(self) -> Sql:
        """The test that there is no value, never NULL itself."""
        ...

    def present(self, kind: str, test: str, args: tuple[Scalar, ...]) -> Sql:
        """The test, with each `{}` in it for the value, which fails when the value is not of that kind."""
        ...

    def is_literal(self, name: str) -> Sql:
        """The test that the value is exactly that JSON literal, true or false."""
        ...


class Names(NamedTuple):
    """Where the index of names says so: a source, the column with the attachment's key, and the condition."""

    source: str
    key: str
    match: Sql


class Grammar(Protocol):
    """What each engine writes in its own way."""

    contains: str
    """The test that the value `{}` holds a folded text, ignoring case."""

    def member(self, document: str, keys: Sequence[str]) -> Operand:
        """What these keys lead to inside a JSON document."""
        ...

    def member_order(self, document: str, keys: Sequence[str], *, descending: bool) -> "Sequence[SortKey]":
        """The expressions to sort by a member of a JSON document: numbers before text, the missing before both."""
        ...

    def has_part(self, row: str, part: str) -> Sql:
        """The test that the folded name of that row holds a folded part, short ones where a word begins."""
        ...

    def names(self, pieces: Sequence[str]) -> Names:
        """The attachments whose names have all these pieces, in the order of their keys."""
        ...

    def property_is(self, account: int, name: str, value: Scalar) -> Sql | None:
        """The test on a row `p` of the property index that it says so; None if the index does not hold such values."""
        ...

    def arm(self, select: Sql, order: str, limit: int) -> Sql:
        """One arm of a union of which the first `limit` rows by that order are wanted."""
        ...


def condition(fields: Fields, where: Where, grammar: Grammar) -> Sql:
    """The condition on a row of that kind. It is never NULL. Raises `Invalid` for an unknown field."""
    keys = fields.member(where.field)
    operand: Operand = (
        ColumnOperand(fields.columns[where.field]) if keys is None else grammar.member(fields.document, keys)
    )
    value = where.value
    if where.op == "ne":
        return Sql("NOT ") + _equal(operand, value)
    if where.op == "eq":
        return _equal(operand, value)
    if where.op == "in":
        return _among(operand, value if isinstance(value, tuple) else (value,))
    return _compared(operand, where.op, value, grammar)


class ColumnOperand:
    """A column of the row."""

    def __init__(self, column: Column) -> None:
        self.sql = column.sql
        self.is_null = Sql(f"{column.sql} IS NULL") if column.optional else NEVER
        self._column = column

    def takes(self, value: Scalar) -> bool:
        """Whether the column could hold the value."""
        return value is not None and not isinstance(value, bool) and _kind(value) == self._column.holds

    def present(self, kind: str, test: str, args: tuple[Scalar, ...]) -> Sql:
        """As `Operand.present`."""
        if kind != self._column.holds:
            return NEVER
        there = f"{self.sql} IS NOT NULL AND " if self._column.optional else ""
        return Sql(f"({there}{test.format(*[self.sql] * test.count('{}'))})", tuple(map(bound, args)))

    def is_literal(self, name: str) -> Sql:
        """As `Operand.is_literal`."""
        return NEVER


def _compared(operand: Operand, op: str, value: Scalar | tuple[Scalar, ...], grammar: Grammar) -> Sql:
    if op in _COMPARISONS and value is not None and not isinstance(value, bool | tuple):
        return operand.present(_kind(value), f"{{}} {_COMPARISONS[op]} ?", (value,))
    if not isinstance(value, str):
        return NEVER
    if op == "contains":
        return operand.present("text", grammar.contains, (fold(value),))
    end = prefix_end(value)
    if isinstance(operand, ColumnOperand) and end is not None:
        return operand.present("text", "{} >= ? AND {} < ?", (value, end))
    return operand.present("text", "substr({}, 1, CAST(? AS INTEGER)) = ?", (len(value), value))


def _equal(operand: Operand, value: Scalar | tuple[Scalar, ...]) -> Sql:
    if value is None:
        return Sql("(") + operand.is_null + ")"
    if isinstance(value, tuple):
        return NEVER
    if isinstance(value, bool):
        return operand.is_literal("true" if value else "false")
    return operand.present(_kind(value), "{} = ?", (value,))


def _among(operand: Operand, values: tuple[Scalar, ...]) -> Sql:
    if isinstance(operand, ColumnOperand) and values and all(operand.takes(value) for value in values):
        return operand.present(_kind(values[0]), one_of("{}", values).text, values)
    return any_of([_equal(operand, each) for each in values])


def _kind(value: Scalar) -> str:
    return "text" if isinstance(value, str) else "bytes" if isinstance(value, bytes) else "number"


def bound(value: Scalar) -> Scalar:
    """The value as the engine takes it: integers beyond 64 bits become floats."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value


class SortKey(NamedTuple):
    """One expression to sort by."""

    sql: Sql
    descending: bool
    optional: bool = False


def sort_keys(fields: Fields, order: Sequence[Order], grammar: Grammar) -> list[SortKey]:
    """The expressions behind an order. Raises `Invalid` for an unknown field."""
    found: list[SortKey] = []
    for each in order:
        keys = fields.member(each.field)
        if keys is None:
            column = fields.columns[each.field]
            found.append(SortKey(Sql(column.sql), each.descending, column.optional))
        else:
            found.extend(grammar.member_order(fields.document, keys, descending=each.descending))
    return found


def order_by(keys: Sequence[SortKey]) -> Sql:
    """The ORDER BY clause; missing values first ascending, last descending."""
    return Sql(" ORDER BY ") + joined(", ", [key.sql + _direction(key) for key in keys])


def _direction(key: SortKey) -> str:
    if key.descending:
        return " DESC NULLS LAST" if key.optional else " DESC"
    return " NULLS FIRST" if key.optional else ""


def beyond(keys: Sequence[SortKey], after: Sequence[Sql | None]) -> Sql:
    """The condition that a row comes after a position in that order; None in the position is a missing value."""
    if len(after) != len(keys):
        raise Invalid("The cursor does not belong to this list", fields={"cursor": "bad cursor"})
    places = [place for place in after if place is not None]
    uniform = not any(key.optional for key in keys) and len({key.descending for key in keys}) == 1
    if uniform and len(places) == len(keys):
        sign = " < " if keys[0].descending else " > "
        left, right = joined(", ", [key.sql for key in keys]), joined(", ", places)
        return left + sign + right if len(keys) == 1 else Sql("(") + left + ")" + sign + "(" + right + ")"
    branches = []
    for at, key in enumerate(keys):
        step = _step(key, after[at])
        if step is not None:
            ties = [
                tied.sql + " IS NOT DISTINCT FROM " + (place or Sql("NULL"))
                for tied, place in zip(keys[:at], after, strict=False)
            ]
            branches.append(Sql("(") + all_of([*ties, step]) + ")")
    return any_of(branches)


def _step(key: SortKey, place: Sql | None) -> Sql | None:
    if place is None:
        return None if key.descending else key.sql + " IS NOT NULL"
    if not key.descending:
        return key.sql + " > " + place
    smaller = key.sql + " < " + place
    return any_of([smaller, key.sql + " IS NULL"]) if key.optional else smaller


def places(after: Sequence[Scalar]) -> list[Sql | None]:
    """A position as bound values."""
    return [None if value is None else Sql("?", (bound(value),)) for value in after]


def limited(window: Window) -> Sql:
    """The LIMIT clause: one row more than asked for tells whether there are more."""
    return Sql(" LIMIT ? OFFSET ?", (window.limit + 1, window.offset))


class Select(NamedTuple):
    """A page to fetch: the rows, how each becomes a value and a position, and the total.

    `scans`: the work may grow with the size of the account, so it does not belong on the event loop.
    """

    rows: Sql
    total: Sql
    value: Callable[[tuple[Any, ...]], Any]
    position: Callable[[tuple[Any, ...]], tuple[Scalar, ...]]
    scans: bool = False
