"""The progress of long work: a bar with rate and time left, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
