"""Answers that would be given again.

While nobody commits anything, the same request of the same actor has the same answer: lists that many people look at,
and pages that programs ask for again and again, need not be made anew. Who asks is found out each time all the same,
so that a revoked token opens nothing; and the key is all that an answer may depend on beside the catalog.
"""

from collections.abc import Callable, Hashable
from typing import Final

from holdfast.core.model import Actor
from holdfast.web.reply import Reply
from holdfast.web.wire import Scope

BYTES: Final = 8 << 20
"""How much is kept in all."""

MOST: Final = 256 << 10
"""Longer answers are not kept."""

_OVERHEAD: Final = 1024
_NAMES_OF_REQUESTS: Final = frozenset({b"x-request-id", b"traceparent", b"tracestate"})


def question(scope: Scope, actor: Actor) -> Hashable:
    """What is asked, in every byte that the client chose but the names that it gives the request, and by whom."""
    client = scope.get("client")
    return (
        scope["method"],
        scope.get("raw_path") or scope["path"],
        scope["query_string"],
        tuple([header for header in scope["headers"] if header[0] not in _NAMES_OF_REQUESTS]),
        client[0] if client else None,
        actor,
    )


class Repeats:
    """Answers by question, all given under one stamp of the catalog (see `holdfast.core.ports.Catalog.stamp`).

    For one thread.
    """

    __slots__ = ("_replies", "_room", "_stamp", "_stamped")

    def __init__(self, stamp: Callable[[], bytes | None]) -> None:
        self._stamp = stamp
        self._stamped: bytes | None = None
        self._room = BYTES
        self._replies: dict[Hashable, Reply] = {}

    def stamp(self) -> bytes | None:
        """To be taken before an answer is made, and given back with it. None: nothing can be kept now."""
        stamp = self._stamp()
        if stamp is not None and stamp != self._stamped:
            self._forget()
            self._stamped = stamp
        return stamp

    def recall(self, question: Hashable) -> Reply | None:
        """The answer to it under the stamp that was just taken, if it is kept."""
        return self._replies.get(question)

    def keep(self, stamp: bytes, question: Hashable, reply: Reply) -> None:
        """An answer begun under that stamp. The next `stamp` forgets it if somebody has committed meanwhile."""
        if (size := _size(reply)) > MOST or stamp != self._stamped or question in self._replies:
            return
        self._replies[question] = reply
        self._room -= size
        while self._room < 0:
            self._room += _size(self._replies.pop(next(iter(self._replies))))

    def _forget(self) -> None:
        self._replies.clear()
        self._room = BYTES


def _size(reply: Reply) -> int:
    """About how many bytes it takes to keep; of a body that comes piece by piece only where it comes from is kept."""
    return _OVERHEAD + (len(reply.body) if isinstance(reply.body, bytes) else 0)
