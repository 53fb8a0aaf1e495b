"""The account's append-only, numbered log of changes."""

from holdfast.core.access import Guard
from holdfast.core.model import READ, Event
from holdfast.core.ports import EventQuery, Page, Window


class Events:
    """The log as one actor may read it."""

    __slots__ = ("_guard",)

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def after(self, number: int, limit: int) -> Page[Event]:
        """The events that follow a number, oldest first, none left out.

        Raises `OutOfScope` for an actor with scopes, since the log speaks of the whole account.
        """
        sight = self._guard.see(READ)
        sight.unscoped()
        return await sight.find(EventQuery(sight.account, number, Window(limit=limit)))
