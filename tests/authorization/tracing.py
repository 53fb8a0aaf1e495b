"""Which SQL statements are executed, in their order, whatever connection runs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import psycopg
from psycopg.abc import Params


class Trace:
    """The texts of the statements since the last `take`. Values are bound apart and are not in them."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def watch(self, connection: apsw.Connection) -> None:
        connection.exec_trace = self._note

    def _note(self, _cursor: object, sql: str, _bindings: object) -> bool:
        self._seen.append(sql)
        return True

    def tell(self, sql: str) -> None:
        # A new connection says who it is at a time of its own choice.
        if "INSERT INTO sessions" not in sql:
            self._seen.append(sql)

    def take(self) -> tuple[str, ...]:
        """What was executed since this was last called."""
        seen, self._seen = tuple(self._seen), []
        return seen


@contextmanager
def traced() -> Iterator[Trace]:
    """Every connection that is opened inside is watched, to either engine."""
    trace = Trace()
    execute = psycopg.AsyncCursor.execute

    async def told(cursor: Any, query: Any, params: Params | None = None, **options: Any) -> Any:
        trace.tell(bytes(query).decode() if isinstance(query, bytes) else str(query))
        return await execute(cursor, query, params, **options)

    apsw.connection_hooks.append(trace.watch)
    psycopg.AsyncCursor.execute = told  # type: ignore[method-assign, assignment]
    try:
        yield trace
    finally:
        psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign]
        apsw.connection_hooks.remove(trace.watch)
