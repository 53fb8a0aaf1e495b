"""A disk in memory that forgets: a file system for SQLite whose failed sync loses what was not yet on the disk.

That is what kernels do: after a failed write-back the pages count as clean, the next sync succeeds, and a power cut
brings back what was there before. `Disk.after_power_cut` lays out what would be left.
"""

from pathlib import Path
from typing import Any, Self

import apsw

NAME = "forgetful"
_PAGE = 4096


class Disk:
    """What is durable of each file, by its name; `failing` decides at every sync whether it fails."""

    def __init__(self) -> None:
        self.durable: dict[str, bytearray] = {}
        self.dirty: dict[str, set[int]] = {}
        self.syncs: list[str] = []
        self.fail_next: str | None = None

    def wrote(self, path: str, offset: int, length: int) -> None:
        """Those bytes are in memory only."""
        pages = range(offset // _PAGE, (offset + length - 1) // _PAGE + 1)
        self.dirty.setdefault(path, set()).update(pages)

    def sync(self, path: str) -> None:
        """Take what is dirty to the disk, or lose it. Raises `apsw.IOError`."""
        self.syncs.append(path)
        pages = self.dirty.pop(path, set())
        if self.fail_next is not None and path.endswith(self.fail_next):
            self.fail_next = None
            raise apsw.IOError("the disk could not be written")
        data, kept = Path(path).read_bytes(), self.durable.setdefault(path, bytearray())
        if len(kept) > len(data):
            del kept[len(data) :]
        kept.extend(b"\0" * (len(data) - len(kept)))
        for page in pages:
            start = page * _PAGE
            kept[start : start + _PAGE] = data[start : start + _PAGE]

    def after_power_cut(self, target: Path) -> None:
        """Write what is left into a folder."""
        target.mkdir()
        for path, data in self.durable.items():
            (target / Path(path).name).write_bytes(bytes(data))


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, filename: Any, flags: list[int]) -> None:
        super().__init__("unix", filename, flags)
        self._disk = disk
        self._path = str(filename.filename() if isinstance(filename, apsw.URIFilename) else filename)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  the engine's name
        super().xWrite(data, offset)
        self._disk.wrote(self._path, offset, len(data))

    def xSync(self, flags: int) -> None:  # noqa: N802  the engine's name
        self._disk.sync(self._path)


class Forgetful(apsw.VFS):
    """Registered as the default for as long as the block runs."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(NAME, "unix", makedefault=True)
        self._disk = disk

    def xOpen(self, name: Any, flags: Any) -> Any:  # noqa: N802  the engine's name
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  the engine's name
        super().xDelete(filename, syncdir)
        self._disk.durable.pop(filename, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()
