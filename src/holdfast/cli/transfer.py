"""Whole folder trees in and out: `import` and `export`."""

import hashlib
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import typer

from holdfast.cli.crew import Crew, Outcome, Report
from holdfast.cli.opening import FAILED, USAGE, AccountName, Config, Data, fail, printable, read_settings, with_store
from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import Conflict, ContentLost, HoldfastError, NotFound
from holdfast.core.links import Hook
from holdfast.core.model import ROOT, Attachment, ByteRange, Folder, RecordRef, joined
from holdfast.core.paths import checked_folder, split_path
from holdfast.core.ports import EntryQuery, Window
from holdfast.core.store import Desk, Store

_CHUNK = 512 * 1024
_PAGE = 500


class Item(NamedTuple):
    """One thing found in the source tree; `size` is None for a folder."""

    local: Path
    path: str
    size: int | None


class Found(NamedTuple):
    """A walk's result: what to bring over, what was passed by on purpose, and what could not be read, with reasons."""

    items: list[Item]
    skipped: list[tuple[str, str]]
    refused: list[tuple[str, str]]


def import_tree(
    source: Annotated[Path, typer.Argument(exists=True, file_okay=False, readable=True, help="The folder to read.")],
    account: AccountName,
    to: Annotated[str, typer.Option("--to", help="Folder of the account that receives the tree.")] = ROOT,
    record: Annotated[str | None, typer.Option("--record", help="Also link every file to this TYPE:ID.")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Bring in a folder tree: folders become folders, files attachments, byte for byte.

    Running it again uploads nothing twice: files that are there with the same bytes are left alone, changed ones
    become new versions. Symbolic links and special files are skipped and listed. Exit code 1 if a file was refused.
    """
    hooks = _hooks(record)
    try:
        target = checked_folder(to)
    except HoldfastError as error:
        fail(f"--to: {error.detail}", USAGE)
    found = _walk(source, target)

    async def work(store: Store) -> Report:
        operator = store.operator()
        desk = operator.desk(await operator.accounts.ensure(account))
        await desk.links.may_hang(hooks)
        crew = Crew("Importing", [item.size or 0 for item in found.items])
        return await crew.run(found.items, lambda item: _bring(desk, item, hooks))

    report = with_store(read_settings(config, data=data), work)
    report.refused[:0] = found.refused
    _finish(report, found.skipped, "uploaded")


def export_tree(
    target: Annotated[Path, typer.Argument(file_okay=False, help="The folder to write; made if it is missing.")],
    account: AccountName,
    source: Annotated[str, typer.Option("--from", help="Folder of the account to write out.")] = ROOT,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write the account's folder tree out, byte for byte, each file checked against its digest.

    Running it again writes only what is missing or differs. Exit code 1 if a file could not be written.
    """
    try:
        origin = checked_folder(source)
    except HoldfastError as error:
        fail(f"--from: {error.detail}", USAGE)

    async def work(store: Store) -> Report:
        operator = store.operator()
        desk = operator.desk(await operator.accounts.get(account))
        entries = [entry async for entry in _entries(desk, origin)]
        target.mkdir(parents=True, exist_ok=True)
        twins = _twins(entries) if _is_case_blind(target) else frozenset()
        writer = _Writer(desk, origin, target, twins)
        crew = Crew("Exporting", [entry.size if isinstance(entry, Attachment) else 0 for entry in entries])
        return await crew.run(entries, writer.write)

    _finish(with_store(read_settings(config, data=data), work), [], "written")


def _finish(report: Report, skipped: list[tuple[str, str]], verb: str) -> None:
    for name, reason in skipped:
        typer.echo(f"skipped  {printable(name)}: {printable(reason)}")
    for name, reason in report.refused:
        typer.echo(f"refused  {printable(name)}: {printable(reason)}", err=True)
    typer.echo(
        f"{report.done} files {verb} ({report.bytes} bytes), {report.unchanged} unchanged, {report.folders} folders, "
        f"{len(skipped)} skipped, {len(report.refused)} refused"
    )
    if report.refused:
        raise typer.Exit(FAILED)


def _hooks(record: str | None) -> tuple[Hook, ...]:
    try:
        return () if record is None else (Hook(RecordRef.parse(record)),)
    except HoldfastError as error:
        fail(f"--record: {error.detail}", USAGE)


# ---------------------------------------------------------------- in


def _walk(source: Path, target: str) -> Found:
    """Every folder and regular file below the source, folders before what they hold."""
    found = Found([], [], [])
    waiting = [(source, target)]
    while waiting:
        folder, path = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            found.refused.append((str(folder), error.strerror or "unreadable"))
            continue
        for entry in entries:
            place = joined(path, entry.name)
            try:
                item = _seen(entry, place, found)
            except OSError as error:
                found.refused.append((entry.path, error.strerror or "unreadable"))
                continue
            if item is not None and item.size is None:
                waiting.append((item.local, place))
    return found


def _seen(entry: os.DirEntry[str], place: str, found: Found) -> Item | None:
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        found.skipped.append((entry.path, "symbolic link"))
    elif stat.S_ISDIR(status.st_mode):
        found.items.append(Item(Path(entry.path), place, None))
    elif stat.S_ISREG(status.st_mode):
        found.items.append(Item(Path(entry.path), place, status.st_size))
    else:
        found.skipped.append((entry.path, "special file"))
        return None
    return None if stat.S_ISLNK(status.st_mode) else found.items[-1]


async def _bring(desk: Desk, item: Item, hooks: tuple[Hook, ...]) -> Outcome:
    if item.size is None:
        return await _bring_folder(desk, item.path)
    folder, name = split_path(item.path)
    present = await _present(desk, item)
    if present is not None:
        await _hang(desk, present, hooks)
        return Outcome.UNCHANGED
    async with await desk.attachments.receive() as intake:
        await intake.take(_chunks(item.local), name=name)
        new = NewAttachment(name, hooks=hooks, folder=folder, on_conflict="replace")
        await desk.attachments.create(intake, new)
    return Outcome.DONE


async def _bring_folder(desk: Desk, path: str) -> Outcome:
    try:
        await desk.folders.get(path)
    except NotFound:
        try:
            await desk.folders.create(path)
        except Conflict:
            # A file inside it, brought in beside this one, has made it in the meantime; anything else is a clash.
            await desk.folders.get(path)
    return Outcome.FOLDER


async def _present(desk: Desk, item: Item) -> Attachment | None:
    """The attachment at the item's place, if it already holds the item's bytes."""
    try:
        present = await desk.attachments.at(item.path)
    except NotFound:
        return None
    if present.size != item.size:
        return None
    with item.local.open("rb") as file:
        same = hashlib.file_digest(file, "sha256").digest() == present.sha256
    return present if same else None


async def _hang(desk: Desk, attachment: Attachment, hooks: tuple[Hook, ...]) -> None:
    for hook in hooks:
        try:
            await desk.links.hang(attachment.id, hook)
        except Conflict:
            continue


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    for chunk in _read(path):
        yield chunk


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


# ---------------------------------------------------------------- out


async def _entries(desk: Desk, origin: str) -> AsyncIterator[Attachment | Folder]:
    if origin != ROOT:
        await desk.folders.get(origin)
    window = Window(limit=_PAGE)
    while True:
        page = await desk.folders.find(EntryQuery(desk.actor.account, window, under=(origin,)))
        for entry in page.items:
            yield entry
        if page.next is None:
            return
        window = Window(limit=_PAGE, after=page.next)


class _Writer:
    """Writes entries below the target folder, each file complete or not at all."""

    def __init__(self, desk: Desk, origin: str, target: Path, twins: frozenset[str]) -> None:
        self._desk = desk
        self._skip = 1 if origin == ROOT else len(origin) + 1
        self._target = target
        self._twins = twins
        self._inside: set[Path] = set()

    async def write(self, entry: Attachment | Folder) -> Outcome:
        path = entry.path or ROOT
        if path in self._twins:
            raise Conflict("another name differs from it only by case, and the target folder tells them not apart")
        local = self._target / path[self._skip :]
        self._keep_inside(local.parent)
        if isinstance(entry, Folder):
            local.mkdir(parents=True, exist_ok=True)
            return Outcome.FOLDER
        if _holds(local, entry):
            return Outcome.UNCHANGED
        _, content = await self._desk.attachments.content(entry.id)
        digest = hashlib.sha256()
        with _replacing(local) as file:
            async for chunk in content.read(ByteRange(0, content.size)):
                digest.update(chunk)
                file.write(chunk)
            if digest.digest() != content.sha256:
                raise ContentLost("its bytes are damaged in the store")
        return Outcome.DONE

    def _keep_inside(self, folder: Path) -> None:
        """Refuse to write through a link in the target folder to somewhere else. Raises `Conflict`."""
        if folder in self._inside:
            return
        for above in (folder, *folder.parents):
            if above == self._target:
                break
            if above.is_symlink():
                raise Conflict(f"{above} is a symbolic link")
        self._inside.add(folder)


@contextmanager
def _replacing(local: Path) -> Iterator[BinaryIO]:
    """A new file beside the path, which takes its place when the block ends well and vanishes when it does not."""
    local.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".holdfast-", dir=local.parent)
    partial = Path(temporary)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        partial.chmod(0o666 & ~_umask())
        partial.replace(local)
    finally:
        partial.unlink(missing_ok=True)


def _umask() -> int:
    present = os.umask(0o022)
    os.umask(present)
    return present


def _holds(local: Path, entry: Attachment) -> bool:
    if local.is_symlink() or not local.is_file() or local.stat().st_size != entry.size:
        return False
    with local.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest() == entry.sha256


def _is_case_blind(folder: Path) -> bool:
    with tempfile.NamedTemporaryFile(prefix=".holdfast-case", dir=folder) as probe:
        path = Path(probe.name)
        return path.with_name(path.name.upper()).exists()


def _twins(entries: list[Attachment | Folder]) -> frozenset[str]:
    """Paths that fold to the same as an earlier one."""
    seen: set[str] = set()
    twins = []
    for entry in entries:
        path = entry.path or ROOT
        folded = path.casefold()
        if folded in seen:
            twins.append(path)
        seen.add(folded)
    return frozenset(twins)
