"""The catalog on PostgreSQL. Any number of servers may use the same database."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar, cast

import psycopg

from holdfast.catalog.lookups import FIXED, KEYS
from holdfast.catalog.postgres.conversations import AnswerLost, Conversation, How, RunAgain
from holdfast.catalog.postgres.failures import may_be_tried_again, raised
from holdfast.catalog.postgres.gates import past
from holdfast.catalog.postgres.groups import Groups
from holdfast.catalog.postgres.inspection import facts_of
from holdfast.catalog.postgres.migrations import Unsuitable, migrate_database
from holdfast.catalog.postgres.reading import Asking, Rows, account_asked, page_of
from holdfast.catalog.postgres.rows import RowStatements
from holdfast.catalog.postgres.sessions import Session, Sessions, account_is, timeout_of
from holdfast.catalog.postgres.settings import Limits
from holdfast.catalog.postgres.together import STAMP, Elsewhere, Errand, Lost, Together
from holdfast.catalog.postgres.wording import Statement, worded_statements
from holdfast.catalog.postgres.writing import PostgresTx
from holdfast.core.errors import Unavailable
from holdfast.core.ports import (
    FactsQuery,
    FiguresQuery,
    Key,
    Page,
    Query,
    R,
    StandingQuery,
    Tx,
    UsageQuery,
    WithinQuery,
)

T = TypeVar("T")

_MARGIN_SECONDS = 2.0
# Nobody can tell the planner how few names hold a part: it would merge the few with all attachments, expecting to be
# done soon, and read millions.
_FRESH_PLAN = Statement(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_mergejoin', 'off', true)"
)
_OUTCOME = "SELECT attempt FROM sessions WHERE id = $1 FOR UPDATE"
_TOO_LATE = "UPDATE sessions SET attempt = -1 - attempt WHERE id = $1 AND attempt >= 0"
_SOON_READ = (FactsQuery, StandingQuery, UsageQuery, WithinQuery)
"""Queries without a window that a few steps in an index answer."""


class Answer(NamedTuple):
    """The rows of each statement, and since when the connection was open that they came from."""

    rows: list[Rows]
    opened_at: float


class PostgresCatalog:
    """`Catalog` on one PostgreSQL database. Made by `open_postgres`."""

    def __init__(self, dsn: str, limits: Limits) -> None:
        statements = worded_statements()
        self._limits = limits
        self._asking = Asking(statements)
        self._rows = RowStatements(statements)
        self._sessions = Sessions(dsn, limits)
        self._together = Together(self._sessions, limits.read_seconds + _MARGIN_SECONDS)
        self._groups = Groups(self, limits)
        self._running: set[asyncio.Task[object]] = set()

    async def get(self, key: Key[R]) -> R | None:
        """The row of that key, or None."""
        statement, context = self._asking.key(key)
        decode = KEYS[type(key)][2]
        errand = Errand(key, context, [statement], lambda found: decode(found[0][0]) if found[0] else None)
        return cast("R | None", await self._shared(errand))

    async def find(self, query: Query[R]) -> Page[R]:
        """The rows of that query. Raises `Invalid` for an unknown field, `Unavailable` past the time limit."""
        context, limits = account_asked(query), self._limits
        fixed = FIXED.get(type(query))
        if fixed is not None and isinstance(query, _SOON_READ):
            asked = self._asking.fixed(fixed, query)
            errand = Errand(_remembered_by(context, asked), context, asked, lambda found: fixed.page(query, found))
            return cast("Page[R]", await self._shared(errand))
        if fixed is not None:
            seconds = limits.count_seconds if isinstance(query, FiguresQuery) else limits.scan_seconds
            return fixed.page(query, await self._read(context, self._asking.fixed(fixed, query), seconds))
        if (question := self._asking.wondering(query)) is not None:
            self._asking.learn((await self._read(context, [question], limits.read_seconds))[0])
        select = self._asking.plan(query)
        statements = self._asking.window(query, select)
        errand = Errand(
            _remembered_by(context, statements), context, statements, lambda found: page_of(query, select, found)
        )
        scans = select.scans or query.window.total  # type: ignore[attr-defined]
        return cast("Page[R]", await (self._scan(errand) if scans else self._shared(errand)))

    async def transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        """Run the body in a transaction and commit it durably.

        A caller who is cancelled leaves; the transaction goes on to its end.
        """
        task = asyncio.ensure_future(self._transact(body))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    def stamp(self) -> bytes | None:
        """As `Catalog.stamp`."""
        return self._together.stamp()

    async def close(self) -> None:
        """Finish what is under way and close the connections."""
        if self._running:
            await asyncio.wait(self._running)
        await self._together.close()
        await self._sessions.close()

    # ------------------------------------------------------------ reading

    async def _shared(self, errand: Errand) -> object | None:
        """A read that an index answers, together with those of others."""
        if not errand.statements:
            return errand.value([])
        try:
            return await self._together.read(errand)
        except Lost:
            return errand.value(await self._read(errand.context, errand.statements, self._limits.read_seconds))

    async def _scan(self, errand: Errand) -> object | None:
        """A read that may look at many rows: on a connection of its own, unless it is remembered."""
        with suppress(Lost):
            known = await self._together.read(errand._replace(statements=()))
            if known is not None:
                return known
        epoch = self._together.epoch
        answer = await self._answered(errand.context, [STAMP, *errand.statements], self._limits.scan_seconds)
        value = errand.value(answer.rows[1:])
        self._together.keep(errand.key, value, Elsewhere(epoch, answer.rows[0], answer.opened_at))
        return value

    async def _read(self, context: str | None, statements: Sequence[Statement], seconds: float) -> list[Rows]:
        """What the statements give, as of one round trip; tried once more when the connection turns out to be gone."""
        return (await self._answered(context, statements, seconds)).rows if statements else []

    async def _answered(self, context: str | None, statements: Sequence[Statement], seconds: float) -> Answer:
        before = [] if context is None else [account_is(context)]
        if seconds > self._limits.read_seconds:
            before += [timeout_of(seconds), _FRESH_PLAN]
        batch = [*before, *statements]
        try:
            found = await self._once(batch, seconds)
        except psycopg.Error as error:
            if not may_be_tried_again(error):
                raise raised(error) from error
            found = await self._last(batch, seconds)
        return found._replace(rows=found.rows[len(before) :])

    async def _last(self, batch: Sequence[Statement], seconds: float) -> Answer:
        try:
            return await self._once(batch, seconds)
        except (psycopg.Error, TimeoutError) as error:
            raise raised(error) from error

    async def _once(self, batch: Sequence[Statement], seconds: float) -> Answer:
        session = await self._sessions.take()
        failure: BaseException | None = None
        try:
            found = await session.run(batch, seconds + _MARGIN_SECONDS)
            return Answer([each.rows for each in found], session.opened_at)
        except BaseException as error:
            failure = error
            raise
        finally:
            await self._sessions.give_back(session, failure)

    # ------------------------------------------------------------ writing

    async def _transact(self, body: Callable[[Tx], Awaitable[T]]) -> T:
        how, tries = How.SAME, 0
        until = time.monotonic() + self._limits.transaction_seconds
        while True:
            try:
                return await self._attempt(body, how)
            except RunAgain as again:
                if again.how is not How.SAME:
                    how = again.how
                    continue
                tries += 1
                if tries > self._limits.retries or time.monotonic() > until:
                    raise again.cause from again
                # Those who were in each other's way should not meet again.
                await asyncio.sleep(random.uniform(0, 0.01 * 2 ** min(tries, 6)))  # noqa: S311 -- no secret

    async def _attempt(self, body: Callable[[Tx], Awaitable[T]], how: How) -> T:
        tx = PostgresTx(self, self._groups, self._asking, self._rows, how)
        try:
            result = await body(tx)
        except Exception as error:
            await tx.fail(error)
            raise
        except BaseException:
            with suppress(Exception):
                await tx.fail(Unavailable("The catalog is closing"))
            raise
        await tx.finish()
        return result

    async def open(self, *, careful: bool = False) -> Conversation:
        """As `Engine.open`."""
        try:
            return Conversation(await self._sessions.take(), self._limits, careful=careful)
        except psycopg.Error as error:
            raise raised(error) from error

    async def end(self, talk: Conversation, spoilt: Exception | None) -> None:
        """As `Engine.end`."""
        session, failure = talk.session, None
        try:
            if spoilt is not None:
                raise spoilt
            await talk.commit()
        except AnswerLost as lost:
            failure = lost.__cause__
            await self._lose(session)
            if not await self._was_committed(session.id, session.attempt + 1):
                raise RunAgain(Unavailable("The catalog cannot be reached"), How.SAME) from lost
        except BaseException as error:
            failure = error
            raise
        finally:
            await session.undo()
            await self._sessions.give_back(session, _cause(failure))

    async def _lose(self, session: Session) -> None:
        """Close a connection of which nobody knows how far it came, so that the server lets go of it."""
        try:
            await session.connection.close()
        except psycopg.Error:
            return

    async def _was_committed(self, id: str, attempt: int) -> bool:
        """Whether the transaction of that session was committed. Raises an `Unavailable` that is `unsure`.

        Its last write is the session's row: what is read there once its lock is to be had is the outcome. Commands that
        are still on their way come too late then, for the row is no longer as that write expects it.
        """
        until = time.monotonic() + self._limits.resolve_seconds
        patience = Statement("SELECT set_config('lock_timeout', '1s', true)")
        question = [patience, Statement(_OUTCOME, (id,)), Statement(_TOO_LATE, (id,))]
        while time.monotonic() < until:
            try:
                rows = (await self._once(question, _MARGIN_SECONDS)).rows[1]
            except (psycopg.Error, TimeoutError):
                await asyncio.sleep(0.1)
                continue
            if not rows:
                break
            found = int(rows[0][0])
            return (found if found >= 0 else -1 - found) >= attempt
        unsure = Unavailable("The catalog did not say whether the change was made")
        unsure.unsure = True
        raise unsure


def _remembered_by(context: str | None, statements: Sequence[Statement]) -> Hashable:
    """What the engine is asked, and of which types: to Python, a query for 1 equals one for True."""
    return (context, *((text, args, *map(type, args)) for text, args in statements))


def _cause(failure: BaseException | None) -> BaseException | None:
    """The engine's own error behind a failure."""
    while failure is not None and not isinstance(failure, psycopg.Error | TimeoutError):
        failure = failure.__cause__
    return failure


def open_postgres(dsn: str, limits: Limits | None = None, *, past_gate: bool = False) -> PostgresCatalog:
    """Open the database and bring its schema up to date; `past_gate`, to fill it while it is closed.

    Raises `SchemaTooNew`, `Unsuitable` when the setting or the database is wrong, `Unavailable`.
    """
    facts = facts_of(dsn)
    if facts.found != facts.known:
        migrate_database(dsn)
        facts = facts_of(dsn)
    if lacking := facts.without_rights:
        raise Unsuitable(
            f"the role has not all rights on {', '.join(lacking[:3])}; grant them as docs/postgresql.md says"
        )
    return PostgresCatalog(past(dsn) if past_gate else dsn, limits or Limits())
