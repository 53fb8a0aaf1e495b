"""Which SQL statements are executed, in their order, whatever connection runs them."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


class Trace:
    """The texts of the statements since the last `take`. Values are bound apart and are not in them."""

    def __init__(self) -> None:
        self._seen: list[str] = []

    def watch(self, connection: apsw.Connection) -> None:
        connection.exec_trace = self._note

    def _note(self, _cursor: object, sql: str, _bindings: object) -> bool:
        self._seen.append(sql)
        return True

    def take(self) -> tuple[str, ...]:
        """What was executed since this was last called."""
        seen, self._seen = tuple(self._seen), []
        return seen


@contextmanager
def traced() -> Iterator[Trace]:
    """Every connection that is opened inside is watched."""
    trace = Trace()
    apsw.connection_hooks.append(trace.watch)
    try:
        yield trace
    finally:
        apsw.connection_hooks.remove(trace.watch)
