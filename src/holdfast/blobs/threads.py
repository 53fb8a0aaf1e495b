"""Worker threads in lanes, so that a slow sync never stands in the way of a read."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from holdfast.core.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Lane(ThreadPoolExecutor):
    """Threads for one kind of work."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """As `Executor.submit`. Raises `Unavailable` once the store is closed, or where no thread can be started."""
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError as error:
            raise Unavailable from error


class Threads:
    """Threads start when first needed. `reads`, `writes` and `syncs` are the number of each lane;
    `appends` is one."""

    def __init__(self, reads: int = 4, writes: int = 4, syncs: int = 8) -> None:
        self.reads = Lane(reads, "blob-read")
        self.writes = Lane(writes, "blob-write")
        self.syncs = Lane(syncs, "blob-sync")
        self.appends = Lane(1, "blob-append")

    def close(self) -> None:
        """Wait for what is under way and end the threads; blocks."""
        for lane in (self.reads, self.writes, self.syncs, self.appends):
            lane.shutdown()
