"""Keys and queries as statements, and what they give as values."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.catalog.compile import Select, Sql
from holdfast.catalog.folding import part_pieces, search_parts
from holdfast.catalog.lookups import KEYS, Fixed, plan
from holdfast.catalog.postgres.grammar import PostgresGrammar
from holdfast.catalog.postgres.rows import EVERY_ACCOUNT
from holdfast.catalog.postgres.wording import Statement, worded
from holdfast.catalog.statements import Named
from holdfast.core import ports
from holdfast.core.ports import Key, Page, Query, R, Window

Rows = Sequence[tuple[Any, ...]]

REACH = 64
MOST_PIECES = 4
MOST_ASKED = 32
MOST_GUESSES = 4_096
GUESS_SECONDS = 60.0

_REACHES = """
SELECT p.piece, coalesce((SELECT n.attachment FROM attachment_names n WHERE n.piece = p.piece
    ORDER BY n.attachment DESC LIMIT 1 OFFSET $2), 0)
FROM unnest($1::text[]) AS p (piece)
"""


class Asking:
    """How keys and queries are put. The engine's own figures decide the way, but for the words of a search."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._sql = statements
        self._reach: dict[str, int] = {}
        self._reach_until = 0.0
        self.grammar = PostgresGrammar()

    def small(self, source: Sql) -> bool:
        """Never: a part of unknown size is tested, and the engine turns a test into a source where that is better."""
        return False

    def rarest(self, pieces: Sequence[str]) -> Sequence[str]:
        """The pieces that narrow most, as far as is known. With which of them to begin, the engine's figures say."""
        return sorted(pieces, key=lambda piece: self._reach.get(piece, 0))[:MOST_PIECES]

    def wondering(self, query: Query[Any]) -> Statement | None:
        """What is to be asked before a search by words is planned, and told by `learn`; None if enough is known."""
        if not isinstance(query, ports.AttachmentQuery) or query.words is None:
            return None
        now = time.monotonic()
        if now > self._reach_until or len(self._reach) > MOST_GUESSES:
            self._reach, self._reach_until = {}, now + GUESS_SECONDS
        pieces = {piece for part in search_parts(query.words) for piece in part_pieces(query.account, part)}
        unknown = sorted(pieces - self._reach.keys())[:MOST_ASKED]
        return Statement(_REACHES, (unknown, REACH)) if unknown and len(pieces) > 1 else None

    def learn(self, rows: Rows) -> None:
        """Keep how far back the newest names with each piece reach: the further, the rarer it is."""
        self._reach.update((str(piece), int(reach)) for piece, reach in rows)

    def key(self, key: Key[Any]) -> tuple[Statement, str | None]:
        """The statement for a key, and the account to name before it."""
        name, args, _ = KEYS[type(key)]
        return Statement(self._sql[name], args(key)), account_asked(key)

    def plan(self, query: Query[Any]) -> Select:
        """The SQL for a query that has a window. Raises `Invalid` for an unknown field or a bad cursor."""
        return plan(query, self)

    def window(self, query: Query[Any], select: Select) -> list[Statement]:
        """The statements for a page and, if it is asked for, the total."""
        window: Window = query.window  # type: ignore[attr-defined]
        statements = [_statement(select.rows)] if window.limit > 0 else []
        return [*statements, _statement(select.total)] if window.total else statements

    def fixed(self, fixed: Fixed, query: Query[Any]) -> list[Statement]:
        """The statements for a query without a window."""
        return [
            Statement(self._sql[each.name], each.args) if isinstance(each, Named) else _statement(each)
            for each in fixed.statements(query)
        ]


def page_of(query: Query[R], select: Select, found: Sequence[Rows]) -> Page[R]:
    """The page that the rows of a window's statements make."""
    window: Window = query.window  # type: ignore[attr-defined]
    rows = found[0] if window.limit > 0 else []
    more = len(rows) > window.limit
    items = tuple(map(select.value, rows[: window.limit]))
    total = int(found[-1][0][0]) if window.total else None
    return Page(items, select.position(rows[window.limit - 1]) if more else None, total)


def account_asked(asked: Key[Any] | Query[Any]) -> str | None:
    """The account to name before a key or query: all of them where it is not known, None where it does not matter."""
    if isinstance(asked, ports.LeaseKey | ports.CountKey | ports.CountQuery):
        return None
    if isinstance(asked, ports.AccountKey):
        return str(asked.number)
    account: int | None = getattr(asked, "account", None)
    return EVERY_ACCOUNT if account is None else str(account)


def _statement(sql: Sql) -> Statement:
    return Statement(worded(sql.text), sql.args)
