"""Paths and the ids made from them (contract sections 3.3 and 3.4)."""

import re
from hashlib import md5
from typing import Final

import msgspec

from holdfast.core.errors import Invalid, NotFound
from holdfast.core.model import ROOT, Attachment, Folder, joined
from holdfast.core.paths import checked_folder
from holdfast.core.ports import EntryQuery, Where, Window
from holdfast.core.store import Desk

PROJECTS: Final = "/projects"
OFFICES: Final = "offices"

_ID: Final = re.compile(r"[0-9A-Fa-f]{32}")

Entry = Attachment | Folder


def attachment_id(path: str) -> str:
    """The id of what is at a path: the MD5 of exactly the text that is shown as `attachment_path`."""
    return md5(path.encode(), usedforsecurity=False).hexdigest()


_ROOT_ID: Final = attachment_id(ROOT)


def normal(text: str) -> str:
    """The path that is meant: absolute, repeated slashes as one, none at the end. Raises `Invalid`."""
    return checked_folder("/" + "/".join(segment for segment in text.split("/") if segment))


def absolute(text: object, field: str = "path") -> str:
    """A path from a body, where a bare name would mean something else. Raises `Invalid`."""
    if not isinstance(text, str) or not text:
        raise Invalid(f"{field} is required", fields={field: "missing"})
    if not text.startswith("/"):
        raise Invalid(f"{field} begins with '/'", fields={field: "not absolute"})
    return normal(text)


def split(path: str) -> tuple[str, str]:
    """Folder and name of a path that is not the root. Raises `Invalid`."""
    if path == ROOT:
        raise Invalid("The root has no name", fields={"path": "root"})
    folder, _, name = path.rpartition("/")
    return folder or ROOT, name


def path_of(entry: Entry) -> str:
    """Where the entry is. Raises `NotFound` for a file that has no place in the tree."""
    if entry.path is None:
        raise NotFound("attachment")
    return entry.path


async def locate(desk: Desk, id: str) -> Entry:
    """What an id names: 32 hex digits without a slash are an attachment_id, all else is a path.

    Raises `NotFound`, `OutOfScope`, `Invalid`.
    """
    if _ID.fullmatch(id):
        return await _identified(desk, id.lower())
    path = normal(id)
    try:
        return await desk.attachments.at(path)
    except NotFound:
        pass
    try:
        return await desk.folders.get(path)
    except NotFound:
        raise NotFound("attachment") from None


async def _identified(desk: Desk, id: str) -> Entry:
    if id == _ROOT_ID:
        return await desk.folders.get(ROOT)
    query = EntryQuery(desk.actor.account, Window(limit=1), where=(Where("path_md5", "eq", id),))
    found = await desk.folders.find(query)
    if not found.items:
        raise NotFound("attachment")
    return found.items[0]


class Address(msgspec.Struct, frozen=True):
    """Which project, and which of its offices, a path belongs to by the folder convention of seed 003."""

    project: str | None = None
    office: str | None = None

    @classmethod
    def of(cls, path: str) -> "Address":
        """Read `/projects/{project_id}` and `/projects/{project_id}/offices/{office_name}`."""
        segments = path.split("/")
        if len(segments) < 3 or segments[1] != PROJECTS[1:]:
            return cls()
        return cls(segments[2], segments[4] if len(segments) > 4 and segments[3] == OFFICES else None)


def project_folder(project: str) -> str:
    """The root folder of a project."""
    return joined(PROJECTS, project)


def office_folder(project: str, name: str) -> str:
    """The folder of an office."""
    return f"{project_folder(project)}/{OFFICES}/{name}"
