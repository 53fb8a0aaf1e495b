"""The verbs of `Tx`: what one body asks and changes in its conversation with the engine.

An error of a write that was held back is heard late. Then everything is rolled back and the body run once more,
carefully: each write is sent at once, behind a savepoint, so that the body hears of a conflict where it stands and may
go on after it.
"""

from collections.abc import Sequence
from typing import Any, cast

from holdfast.catalog.lookups import FIXED, KEYS
from holdfast.catalog.postgres.conversations import Conversation, How, Mark
from holdfast.catalog.postgres.groups import Engine, Group, Groups
from holdfast.catalog.postgres.reading import Asking, account_asked, page_of
from holdfast.catalog.postgres.rows import Change, RowStatements, account_of
from holdfast.catalog.postgres.wording import Statement
from holdfast.core.errors import Conflict
from holdfast.core.model import Account, Ledger, Record
from holdfast.core.ports import (
    AccountKey,
    BlobKey,
    CountKey,
    Key,
    LeaseKey,
    LedgerKey,
    MoveTree,
    Page,
    Query,
    R,
    RecordKey,
    Row,
    TokenKey,
)

_ALONE = (LedgerKey, CountKey)
_HELD = (*_ALONE, LeaseKey, BlobKey, TokenKey)
"""Keys whose rows a transaction holds against others from its read to its end."""

_KNOWN = (AccountKey, LedgerKey, RecordKey)
"""Keys that the bodies of a group ask for again and again. Their rows change only while the ledger is held."""


class PostgresTx:
    """One body's view of its transaction, which begins with what it asks first.

    A body that reads its account's ledger first has the account to itself from then on, and sees what was committed
    before; likewise with a count. The former shares its transaction with others of that account: see `groups`. Any
    other body sees all rows as of one moment, and is run again if one that it changes has changed since.
    """

    def __init__(self, engine: Engine, groups: Groups, asking: Asking, rows: RowStatements, how: How) -> None:
        self._engine = engine
        self._groups = groups
        self._asking = asking
        self._rows = rows
        self._how = how
        self._talk: Conversation | None = None
        self._group: Group | None = None
        self._undo: tuple[Mark, dict[Key[Any], Any]] | None = None

    async def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        talk, known = await self._begun(key), None if self._group is None else self._group.known
        if known is not None and key in known:
            return cast("R | None", known[key])
        statement, context = self._asking.key(key)
        if isinstance(key, _HELD):
            statement = Statement(f"{statement.text} FOR UPDATE", statement.args)
        if isinstance(key, LedgerKey):
            talk.settle()
        rows = (await talk.ask(context, [statement], alone=isinstance(key, _ALONE)))[0].rows
        row = cast("R | None", KEYS[type(key)][2](rows[0]) if rows else None)
        if known is not None and isinstance(key, _KNOWN):
            known[key] = row
        return row

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query."""
        talk = await self._begun()
        talk.settle()
        context = account_asked(query)
        fixed = FIXED.get(type(query))
        if fixed is not None:
            found = await talk.ask(context, self._asking.fixed(fixed, query))
            return fixed.page(query, [each.rows for each in found])
        if (question := self._asking.wondering(query)) is not None:
            self._asking.learn((await talk.ask(context, [question]))[0].rows)
        select = self._asking.plan(query)
        statements = self._asking.window(query, select)
        return page_of(query, select, [each.rows for each in await talk.ask(context, statements)])

    async def add(self, row: Row) -> None:
        """Insert. Raises `Conflict` if its key or another unique value is taken, or what it hangs on is missing."""
        await self._write(row, self._rows.add(row))

    async def save(self, row: Row) -> None:
        """Write over the row of the same key. Raises `LookupError` if there is none."""
        change = self._rows.save(row, await self._state(row, removing=False))
        if isinstance(row, Ledger) and self._group is not None and LedgerKey(row.account) in self._group.known:
            talk = await self._writing()
            self._group.known[LedgerKey(row.account)] = row
            talk.last[row.account] = change.statements
            return
        await self._write(row, change)

    async def remove(self, row: Row) -> None:
        """Delete the row. Raises `Conflict` for a record that is the parent of others."""
        await self._write(row, self._rows.remove(row, await self._state(row, removing=True)))

    async def move(self, change: MoveTree) -> int:
        """Rewrite the paths of folders and attachments; the number of rows rewritten."""
        wanted = self._rows.move(change)
        talk = await self._writing()
        try:
            found = await talk.ask(str(change.account), wanted.statements)
        except Conflict as error:
            talk.failure = error
            raise
        return sum(int(each.done.rpartition(" ")[2]) for each in found)

    async def finish(self) -> None:
        """The body is over: make what it changed durable. Raises as the writes do, and `RunAgain`."""
        if self._talk is None:
            return
        if self._group is None:
            await self._engine.end(self._talk, self._talk.failure)
        else:
            await self._groups.leave(self._group, self._talk.failure)

    async def fail(self, error: Exception) -> None:
        """The body has failed: nothing that it changed is kept.

        Returns if its error is what the caller has to hear; raises what is to be heard instead, `RunAgain` among it.
        """
        if self._talk is None:
            return
        spoilt = self._talk.failure or error
        if self._group is None:
            await self._engine.end(self._talk, spoilt)
        elif self._talk.failure is None and self._groups.in_company(self._group) and self._undone():
            # What it has heard may come from those before it, and holds only if they are kept.
            await self._groups.leave(self._group)
        else:
            await self._groups.leave(self._group, spoilt)

    async def _begun(self, first: Key[Any] | None = None) -> Conversation:
        if self._talk is None:
            if self._how is How.SAME and isinstance(first, LedgerKey):
                self._group = await self._groups.join(first.account)
                self._talk = self._group.talk
            else:
                self._talk = await self._engine.open(careful=self._how is How.CAREFULLY)
        return self._talk

    async def _writing(self) -> Conversation:
        """As `_begun`, before a change."""
        talk = await self._begun()
        if self._undo is None and self._group is not None:
            self._undo = talk.mark(), dict(self._group.known)
        return talk

    def _undone(self) -> bool:
        """Forget what the body has changed; False if some of it was sent already."""
        if self._undo is None or self._group is None:
            return True
        mark, known = self._undo
        if not self._group.talk.forget(mark):
            return False
        self._group.known = known
        return True

    async def _state(self, row: Row, *, removing: bool) -> Sequence[tuple[Any, ...]]:
        question = self._rows.question(row, removing=removing)
        if question is None:
            return ()
        talk = await self._begun()
        return (await talk.ask(str(account_of(row)), [question]))[0].rows

    async def _write(self, row: Row, change: Change) -> None:
        talk = await self._writing()
        if self._group is not None and isinstance(row, Account | Ledger | Record):
            talk.settle()
            self._group.known.clear()
        context = None if change.account is None else str(change.account)
        if talk.careful:
            await talk.write(context, change.statements)
        else:
            talk.hold(context, change.statements)
