"""The verbs of `Rows` on one connection, without waiting."""

# ruff: noqa: S608 (the text is put together from constants only, every value is bound)

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import cast

import apsw

from holdfast.catalog import rowcodec as codec
from holdfast.catalog.compile import Select, Sql
from holdfast.catalog.lookups import FIXED, KEYS, plan
from holdfast.catalog.sqlite_grammar import SqliteGrammar
from holdfast.catalog.statements import Named
from holdfast.core import ports
from holdfast.core.ports import Key, Page, Query, R

FEW = 4_000
"""A part of a query that gives at most this many rows is fetched whole and sorted, rather than tested row by row."""

REACH = 64
MOST_PIECES = 3
MOST_GUESSES = 4_096
GUESS_SECONDS = 60.0


class Reading:
    """Keys and queries answered on one connection. Not for use from two threads at once."""

    def __init__(self, connection: apsw.Connection, statements: Mapping[str, str]) -> None:
        self.grammar = SqliteGrammar()
        self._execute = connection.execute
        self._statements = statements
        self._guesses: dict[Hashable, int] = {}
        self._guessed_until = 0.0
        self._keys = {kind: (statements[name], args, value) for kind, (name, args, value) in KEYS.items()}

    def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        sql, args, value = self._keys[type(key)]
        # All rows are fetched, so that the statement ends and no snapshot stays open.
        rows = self._execute(sql, args(key)).fetchall()
        return cast(R, value(rows[0])) if rows else None

    def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query. Raises `Invalid` for an unknown field."""
        fixed = FIXED.get(type(query))
        if fixed is None:
            return self.page(query, self.plan(query))
        return fixed.page(query, [self._fixed(each) for each in fixed.statements(query)])

    def plan(self, query: Query[R]) -> Select:
        """The SQL for a query that has a window."""
        return plan(query, self)

    def page(self, query: Query[R], select: Select, total: int | None = None) -> Page[R]:
        """The page of a planned query; `total` if it is known already."""
        window: ports.Window = query.window  # type: ignore[attr-defined]
        rows = self.rows(select.rows) if window.limit > 0 else []
        more = len(rows) > window.limit
        items = tuple(map(select.value, rows[: window.limit] if more else rows))
        after = select.position(rows[window.limit - 1]) if more else None
        if window.total and total is None:
            total = self.total(select)
        return Page(items, after, total if window.total else None)

    def rows(self, sql: Sql) -> list[codec.DbRow]:
        """All rows of a statement."""
        return self._execute(sql.text, sql.args).fetchall()

    def total(self, select: Select) -> int:
        """The number of all matches."""
        return int(self.rows(select.total)[0][0])

    def changes(self, account: int) -> int | None:
        """A number that grows with every change of the account's rows; None if nothing tells."""
        rows: list[codec.DbRow] = self._execute(self._statements["ledger_changes"], (account,)).fetchall()
        return int(rows[0][0]) if rows else None

    def small(self, source: Sql) -> bool:
        """Whether a source gives few rows."""

        def count() -> int:
            few = Sql("SELECT count(*) FROM (SELECT 1 FROM ") + source + f" LIMIT {FEW + 1})"
            return int(self.rows(few)[0][0])

        return self._guess(source, count) <= FEW

    def _fixed(self, each: Sql | Named) -> list[codec.DbRow]:
        return self.rows(each if isinstance(each, Sql) else Sql(self._statements[each.name], each.args))

    def rarest(self, pieces: Sequence[str]) -> Sequence[str]:
        """The piece that narrows most, and the few others that are almost as rare.

        Common pieces are left out: walking their long lists costs more than looking at the names themselves.
        """
        if len(pieces) == 1:
            return pieces
        reach = {piece: self._reach(piece) for piece in pieces}
        ranked = sorted(pieces, key=lambda piece: reach[piece])[:MOST_PIECES]
        newest = max(reach.values())
        least = newest - reach[ranked[0]]
        return [piece for piece in ranked if newest - reach[piece] >= least / 4]

    def _reach(self, piece: str) -> int:
        """How far back the newest names with a piece reach: the key of the last of them; 0 if there are fewer."""

        def last() -> int:
            rows = self.rows(Sql(self._statements["names_reach"], (piece, REACH)))
            return int(rows[0][0]) if rows else 0

        return self._guess(piece, last)

    def _guess(self, about: Hashable, look: Callable[[], int]) -> int:
        """What a look gave not long ago, or gives now."""
        now = time.monotonic()
        if now > self._guessed_until or len(self._guesses) >= MOST_GUESSES:
            self._guesses.clear()
            self._guessed_until = now + GUESS_SECONDS
        if about not in self._guesses:
            self._guesses[about] = look()
        return self._guesses[about]
