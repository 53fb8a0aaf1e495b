"""Many small jobs at once, with a progress bar that shows rate and time left."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from holdfast.cli.progress import progress_bar
from holdfast.core.errors import HoldfastError, Unavailable

T = TypeVar("T")

_HANDS = 24


class Outcome(enum.Enum):
    """What became of one item."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FOLDER = "folder"


@dataclass(slots=True)
class Report:
    """Counts over all items, and those refused with the reason. `bytes` are those of items done."""

    done: int = 0
    unchanged: int = 0
    folders: int = 0
    bytes: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    def count(self, outcome: Outcome, size: int) -> None:
        """Add one item."""
        if outcome is Outcome.DONE:
            self.done += 1
            self.bytes += size
        elif outcome is Outcome.UNCHANGED:
            self.unchanged += 1
        else:
            self.folders += 1


class Crew:
    """A bounded number of hands that take items in order and share one progress bar."""

    def __init__(self, title: str, sizes: Sequence[int]) -> None:
        self._title = title
        self._sizes = sizes

    async def run(self, items: Sequence[T], job: Callable[[T], Awaitable[Outcome]]) -> Report:
        """Do the job on every item. One that is refused is noted and the others go on; a full disk, or an engine
        that does not answer, ends it all."""
        report = Report()
        waiting = iter(zip(items, self._sizes, strict=True))
        with progress_bar() as progress:
            bar = progress.add_task(self._title, total=sum(self._sizes), files=0, of=len(items))

            async def hand() -> None:
                for item, size in waiting:
                    try:
                        report.count(await job(item), size)
                    except Unavailable:
                        raise
                    except HoldfastError as error:
                        report.refused.append((_name(item), error.detail))
                    except OSError as error:
                        report.refused.append((_name(item), error.strerror or str(error)))
                    except UnicodeError as error:
                        report.refused.append((_name(item), str(error)))
                    counted = report.done + report.unchanged + report.folders + len(report.refused)
                    progress.update(bar, advance=size, files=counted)

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(_HANDS):
                        group.create_task(hand())
            except* HoldfastError as failures:
                raise failures.exceptions[0] from None
        return report


def _name(item: object) -> str:
    return str(getattr(item, "local", None) or getattr(item, "path", item))
