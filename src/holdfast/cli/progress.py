"""The progress of long work: a bar with rate and time left, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.progress import Progress


def progress_bar() -> "Progress":
    """A bar on standard error. Its tasks have the fields `files` and `of`: how many are done, of how many."""
    from rich.console import Console  # noqa: PLC0415 -- only long work needs it
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]}/{task.fields[of]}"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def watched(title: str, items: int | None = None, size: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar for that many items of `size` bytes in all, if that is known; call what it gives with the size of each
    item done."""
    with progress_bar() as progress:
        bar = progress.add_task(title, total=size, files=0, of="?" if items is None else items)
        done = 0

        def step(size: int) -> None:
            nonlocal done
            done += 1
            progress.update(bar, advance=size, files=done)

        yield step


class Stages(NamedTuple):
    """What a move tells its bars: the size of each content, how many rows were looked at, the name of each stage."""

    content: Callable[[int], None]
    rows: Callable[[int], None]
    stage: Callable[[str], None]


@contextmanager
def staged(contents: int, size: int, rows: int) -> Iterator[Stages]:
    """Two bars: for contents of `size` bytes in all, and for the rows of each stage."""
    with progress_bar() as progress:
        moved = progress.add_task("Contents", total=size, files=0, of=contents)
        seen = progress.add_task("Rows", total=rows, files=0, of=rows)
        counts = {moved: 0, seen: 0}

        def content(size: int) -> None:
            counts[moved] += 1
            progress.update(moved, advance=size, files=counts[moved])

        def looked_at(number: int) -> None:
            counts[seen] += number
            progress.update(seen, advance=number, files=counts[seen])

        def stage(name: str) -> None:
            counts[seen] = 0
            progress.reset(seen, description=f"Rows, {name}")

        yield Stages(content, looked_at, stage)
