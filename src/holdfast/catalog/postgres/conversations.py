"""One transaction of the engine: what is held back, what is sent, and how it ends.

Writes are held back and sent together with the next read, or with the commit, so that a transaction costs few round
trips. An error of one of them is thus heard late.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from holdfast.catalog.postgres.failures import may_be_tried_again, raised
from holdfast.catalog.postgres.sessions import Result, Session, account_is, timeout_of
from holdfast.catalog.postgres.settings import Limits
from holdfast.catalog.postgres.wording import Statement
from holdfast.core.errors import Conflict

_COMMITTED = """
WITH changed AS (UPDATE sessions SET attempt = $1 WHERE id = $2 AND attempt = $1 - 1 RETURNING 1)
SELECT must_be_there((SELECT count(*) FROM changed))
"""


class How(enum.Enum):
    """How a body is run again: as it was, in a transaction of its own, or there with each write sent at once."""

    SAME = enum.auto()
    ALONE = enum.auto()
    CAREFULLY = enum.auto()


class RunAgain(Exception):
    """The body has to be run once more: a write that was held back has failed, or others were in the way."""

    def __init__(self, cause: Exception, how: How) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.how = how


class AnswerLost(Exception):
    """The commit was sent, and nobody knows what came of it."""


class Mark(NamedTuple):
    """How far a conversation had come: all that is held back after it can be forgotten while nothing was sent."""

    sent: int
    held_back: int
    account: str | None
    last: dict[int, Sequence[Statement]]


class Conversation:
    """Begins with the first statement that is sent. `last` are statements that can wait for the end, by account.

    `careful`, if whoever writes hears of a conflict at once and may go on after it.
    """

    def __init__(self, session: Session, limits: Limits, *, careful: bool = False) -> None:
        self.session = session
        self.careful = careful
        self.failure: Exception | None = None
        self.last: dict[int, Sequence[Statement]] = {}
        self._limits = limits
        self._held_back: list[Statement] = []
        self._account: str | None = None
        self._begun = False
        self._sent = 0

    def hold(self, context: str | None, statements: Sequence[Statement]) -> None:
        """Send these later."""
        self.check()
        self._held_back += [*self._naming(context), *statements]

    def settle(self) -> None:
        """Before a read that may see what `last` changes."""
        for account, statements in self.last.items():
            self.hold(str(account), statements)
        self.last = {}

    def mark(self) -> Mark:
        """The state as it is now."""
        return Mark(self._sent, len(self._held_back), self._account, dict(self.last))

    def forget(self, since: Mark) -> bool:
        """Drop what was held back since then; False if some of it was sent."""
        if self._sent != since.sent:
            return False
        del self._held_back[since.held_back :]
        self._account, self.last = since.account, since.last
        return True

    async def ask(
        self, context: str | None, statements: Sequence[Statement], *, alone: bool = False
    ) -> Sequence[Result]:
        """Send what was held back and these; what these came to.

        `alone`, if they begin it: what they lock keeps others out, so that everything committed before is seen.
        """
        self.check()
        batch = [*self._held_back, *self._naming(context), *statements]
        opening = self._opening(alone=alone)
        self._held_back = []
        self._sent += 1
        try:
            found = await self.session.run(opening + batch, self._limits.transaction_seconds)
        except (psycopg.Error, TimeoutError) as error:
            raise self._told(error) from error
        return found[len(found) - len(statements) :]

    async def write(self, context: str | None, statements: Sequence[Statement]) -> None:
        """Send these at once, behind a savepoint. Raises `Conflict`, `LookupError`, and goes on after it."""
        self.check()
        marked = [Statement("SAVEPOINT body"), *self._naming(context), *statements]
        marked.append(Statement("RELEASE SAVEPOINT body"))
        seconds = self._limits.transaction_seconds
        try:
            await self.session.run(self._opening(alone=False) + marked, seconds)
        except (psycopg.Error, TimeoutError) as error:
            failure = raised(error)
            if not isinstance(failure, Conflict | LookupError):
                raise self._told(error) from error
            self._account = None
            await self.session.run([Statement("ROLLBACK TO SAVEPOINT body")], seconds)
            raise failure from error

    async def commit(self) -> None:
        """Make everything durable. Raises as the writes do, and `AnswerLost`."""
        self.check()
        self.settle()
        if not self._begun and not self._held_back:
            return
        session = self.session
        written = Statement(_COMMITTED, (session.attempt + 1, session.id))
        last = [*self._held_back, written, Statement("COMMIT")]
        self._held_back = []
        try:
            await session.run(self._opening(alone=False) + last, self._limits.commit_seconds)
        except psycopg.Error as error:
            # An answer from the server itself means that the commit was not carried out.
            if error.sqlstate is not None and not session.connection.closed:
                raise self._told(error) from error
            raise AnswerLost from error
        except BaseException as error:
            raise AnswerLost from error
        session.attempt += 1

    def check(self) -> None:
        """Raises the failure after which nothing more can be asked."""
        if self.failure is not None:
            raise self.failure

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

    def _told(self, error: psycopg.Error | TimeoutError) -> Exception:
        """The failure of the whole transaction that an error means."""
        failure = raised(error)
        if isinstance(failure, Conflict | LookupError) and not self.careful:
            failure = RunAgain(failure, How.CAREFULLY)
        elif may_be_tried_again(error):
            failure = RunAgain(failure, How.SAME)
        self.failure = failure
        return failure
