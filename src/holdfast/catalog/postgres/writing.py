"""The verbs of `Tx`, and the way of one transaction from its begin to a certain end.

Writes are held back and sent together with the next read, or with the commit, so that a body costs few round trips. An
error of one of them is thus heard late. Then everything is rolled back and the body run once more, carefully: each
write is sent at once, behind a savepoint, so that the body hears of a conflict where it stands and may go on after it.
"""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import psycopg

from holdfast.catalog.lookups import FIXED, KEYS
from holdfast.catalog.postgres.failures import may_be_tried_again, raised
from holdfast.catalog.postgres.reading import Asking, account_asked, page_of
from holdfast.catalog.postgres.rows import Change, RowStatements, account_of
from holdfast.catalog.postgres.sessions import Result, Session, account_is, timeout_of
from holdfast.catalog.postgres.settings import Limits
from holdfast.catalog.postgres.wording import Statement
from holdfast.core.errors import Conflict
from holdfast.core.ports import BlobKey, CountKey, Key, LeaseKey, LedgerKey, MoveTree, Page, Query, R, Row, TokenKey

T = TypeVar("T")

_ALONE = (LedgerKey, CountKey)
_HELD = (*_ALONE, LeaseKey, BlobKey, TokenKey)
"""Keys whose rows a transaction holds against others from its read to its end."""

_COMMITTED = """
WITH changed AS (UPDATE sessions SET attempt = $1 WHERE id = $2 AND attempt = $1 - 1 RETURNING 1)
SELECT must_be_there((SELECT count(*) FROM changed))
"""


class RunAgain(Exception):
    """The body has to be run once more: a write that was held back has failed, or others were in the way."""

    def __init__(self, cause: Exception, *, carefully: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.carefully = carefully


class AnswerLost(Exception):
    """The commit was sent, and nobody knows what came of it; `result` is what the body gave."""

    def __init__(self, result: Any) -> None:  # noqa: ANN401 -- whatever a body gives
        super().__init__()
        self.result = result


class PostgresTx:
    """One body's view of its transaction.

    A body that reads its account's ledger first has the account to itself from then on, and sees what was committed
    before; likewise with a count. Any other sees all rows as of one moment, and is run again if one that it changes has
    changed since.
    """

    def __init__(self, session: Session, asking: Asking, rows: RowStatements, limits: Limits, *, careful: bool) -> None:
        self._session = session
        self._asking = asking
        self._rows = rows
        self._limits = limits
        self._careful = careful
        self._held_back: list[Statement] = []
        self._account: str | None = None
        self._begun = False
        self.failure: Exception | None = None

    async def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        statement, context = self._asking.key(key)
        if isinstance(key, _HELD):
            statement = Statement(f"{statement.text} FOR UPDATE", statement.args)
        rows = (await self._ask(context, [statement], alone=isinstance(key, _ALONE)))[0].rows
        return cast(R, KEYS[type(key)][2](rows[0])) if rows else None

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query."""
        context = account_asked(query)
        fixed = FIXED.get(type(query))
        if fixed is not None:
            found = await self._ask(context, self._asking.fixed(fixed, query))
            return fixed.page(query, [each.rows for each in found])
        if (question := self._asking.wondering(query)) is not None:
            self._asking.learn((await self._ask(context, [question]))[0].rows)
        select = self._asking.plan(query)
        statements = self._asking.window(query, select)
        return page_of(query, select, [each.rows for each in await self._ask(context, statements)])

    async def add(self, row: Row) -> None:
        """Insert. Raises `Conflict` if its key or another unique value is taken, or what it hangs on is missing."""
        await self._write(self._rows.add(row))

    async def save(self, row: Row) -> None:
        """Write over the row of the same key. Raises `LookupError` if there is none."""
        await self._write(self._rows.save(row, await self._state(row, removing=False)))

    async def remove(self, row: Row) -> None:
        """Delete the row. Raises `Conflict` for a record that is the parent of others."""
        await self._write(self._rows.remove(row, await self._state(row, removing=True)))

    async def move(self, change: MoveTree) -> int:
        """Rewrite the paths of folders and attachments; the number of rows rewritten."""
        wanted = self._rows.move(change)
        try:
            found = await self._ask(str(change.account), wanted.statements)
        except Conflict as error:
            self.failure = error
            raise
        return sum(int(each.done.rpartition(" ")[2]) for each in found)

    async def commit(self, result: T) -> T:
        """Make everything durable, and only then give the body's result. Raises as the writes do, and `AnswerLost`."""
        self._check()
        if not self._begun and not self._held_back:
            return result
        written = Statement(_COMMITTED, (self._session.attempt + 1, self._session.id))
        last = [*self._held_back, written, Statement("COMMIT")]
        self._held_back = []
        try:
            await self._session.run(self._opening(alone=False) + last, self._limits.commit_seconds)
        except psycopg.Error as error:
            # An answer from the server itself means that the commit was not carried out.
            if error.sqlstate is not None and not self._session.connection.closed:
                raise self._told(error) from error
            raise AnswerLost(result) from error
        except BaseException as error:
            raise AnswerLost(result) from error
        self._session.attempt += 1
        return result

    async def _state(self, row: Row, *, removing: bool) -> Sequence[tuple[Any, ...]]:
        question = self._rows.question(row, removing=removing)
        return () if question is None else (await self._ask(str(account_of(row)), [question]))[0].rows

    async def _write(self, change: Change) -> None:
        self._check()
        context = None if change.account is None else str(change.account)
        statements = [*self._naming(context), *change.statements]
        if not self._careful:
            self._held_back += statements
            return
        marked = [Statement("SAVEPOINT body"), *statements, Statement("RELEASE SAVEPOINT body")]
        try:
            await self._session.run(self._opening(alone=False) + marked, self._limits.transaction_seconds)
        except (psycopg.Error, TimeoutError) as error:
            failure = raised(error)
            if not isinstance(failure, Conflict | LookupError):
                raise self._told(error) from error
            self._account = None
            await self._session.run([Statement("ROLLBACK TO SAVEPOINT body")], self._limits.transaction_seconds)
            raise failure from error

    async def _ask(
        self, context: str | None, statements: Sequence[Statement], *, alone: bool = False
    ) -> Sequence[Result]:
        """Send what was held back and these; what these came to."""
        self._check()
        batch = [*self._held_back, *self._naming(context), *statements]
        opening = self._opening(alone=alone)
        self._held_back = []
        try:
            found = await self._session.run(opening + batch, self._limits.transaction_seconds)
        except (psycopg.Error, TimeoutError) as error:
            raise self._told(error) from error
        return found[len(found) - len(statements) :]

    def _opening(self, *, alone: bool) -> list[Statement]:
        if self._begun:
            return []
        self._begun = True
        level = "READ COMMITTED" if alone else "REPEATABLE READ"
        return [Statement(f"BEGIN ISOLATION LEVEL {level}"), timeout_of(self._limits.transaction_seconds)]

    def _naming(self, context: str | None) -> list[Statement]:
        if context is None or context == self._account:
            return []
        self._account = context
        return [account_is(context)]

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _told(self, error: psycopg.Error | TimeoutError) -> Exception:
        """The failure of the whole body that an error means."""
        failure = raised(error)
        late = isinstance(failure, Conflict | LookupError) and not self._careful
        if late or may_be_tried_again(error):
            failure = RunAgain(failure, carefully=late)
        self.failure = failure
        return failure
