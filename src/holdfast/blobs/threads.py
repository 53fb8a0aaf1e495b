"""Worker threads in lanes, so that a slow sync never stands in the way of a read."""

from concurrent.futures import ThreadPoolExecutor


class Threads:
    """Threads start when first needed. `reads`, `writes` and `syncs` are the number of each lane;
    `appends` is one."""

    def __init__(self, reads: int = 4, writes: int = 4, syncs: int = 8) -> None:
        self.reads = ThreadPoolExecutor(reads, "blob-read")
        self.writes = ThreadPoolExecutor(writes, "blob-write")
        self.syncs = ThreadPoolExecutor(syncs, "blob-sync")
        self.appends = ThreadPoolExecutor(1, "blob-append")

    def close(self) -> None:
        """Wait for what is under way and end the threads; blocks."""
        for lane in (self.reads, self.writes, self.syncs, self.appends):
            lane.shutdown()
