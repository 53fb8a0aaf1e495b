"""What goes over the wire for attachments and links (contract sections 4.0 and 5.1)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.core.errors import Forbidden, Invalid, NotFound, OutOfScope
from holdfast.core.model import Attachment, Link, Record, RecordRef
from holdfast.core.ports import RecordFilter, RecordQuery, Where, Window
from holdfast.core.store import Desk
from holdfast.dialects.four_hse.paths import PROJECTS, Address, Entry, attachment_id, path_of

DIRECTORY: Final = "directory"
MOST_OFFICES: Final = 1000


class AttachmentData(msgspec.Struct, frozen=True, omit_defaults=True):
    """Metadata of a file or folder; `size` is digits, and folders have none."""

    mimetype: str
    size: str | UnsetType = UNSET
    project_id: str | UnsetType = UNSET
    project_name: str | UnsetType = UNSET
    office_id: str | UnsetType = UNSET
    office_name: str | UnsetType = UNSET


class AttachmentView(msgspec.Struct, frozen=True):
    """A file or folder."""

    attachment_id: Annotated[str, Meta(max_length=50)]
    attachment_path: Annotated[str, Meta(max_length=1024)]
    data: AttachmentData


class EntityAttachment(msgspec.Struct, frozen=True):
    """A file linked to a business record."""

    entity_attachment_id: str
    entity_id: str
    attachment_id: Annotated[str, Meta(max_length=50)]
    attachment_path: Annotated[str, Meta(max_length=1024)]


def link_view(link: Link, path: str) -> EntityAttachment:
    """The link as this API shows it."""
    return EntityAttachment(link.id, link.record.id, attachment_id(path), path)


async def known(desk: Desk, refs: Iterable[RecordRef]) -> dict[RecordRef, Record]:
    """Those of the records that are there and that the caller may see."""
    found: dict[RecordRef, Record] = {}
    for ref in refs:
        try:
            found[ref] = await desk.records.get(ref)
        except (NotFound, OutOfScope, Forbidden):
            continue
    return found


async def require_project(desk: Desk, path: str, *, file: bool) -> None:
    """Below `/projects` there are only folders of projects that exist, and what is in them. Raises `Invalid`."""
    project = Address.of(path).project
    if file and (path == PROJECTS or (project is not None and path.count("/") == 2)):
        raise Invalid("Files lie inside a project's folder", fields={"path": "not inside a project"})
    if project is not None:
        try:
            await desk.records.get(RecordRef("project", project))
        except OutOfScope:
            return  # It exists; whether the caller may write there is for the folder's own rule.
        except NotFound:
            raise Invalid(f"There is no project {project}", fields={"path": "unknown project"}) from None


async def attachment_view(desk: Desk, entry: Entry) -> AttachmentView:
    """One file or folder."""
    return (await attachment_views(desk, (entry,)))[0]


async def attachment_views(desk: Desk, entries: Sequence[Entry]) -> list[AttachmentView]:
    """Files and folders with the names of the projects and offices that their paths tell of."""
    addresses = [Address.of(path_of(entry)) for entry in entries]
    ids = {address.project: None for address in addresses if address.project is not None}
    projects = await known(desk, (RecordRef("project", id) for id in ids))
    offices = await _offices(desk, addresses, projects)
    return [_view(entry, address, projects, offices) for entry, address in zip(entries, addresses, strict=True)]


def _view(
    entry: Entry,
    address: Address,
    projects: Mapping[RecordRef, Record],
    offices: Mapping[tuple[str, str], str],
) -> AttachmentView:
    path = path_of(entry)
    project, office = address.project, address.office
    record = None if project is None else projects.get(RecordRef("project", project))
    office_id = None if project is None or office is None else offices.get((project, office))
    data = AttachmentData(
        entry.media_type if isinstance(entry, Attachment) else DIRECTORY,
        str(entry.size) if isinstance(entry, Attachment) else UNSET,
        project or UNSET,
        UNSET if record is None else name_of(record),
        office_id or UNSET,
        (office or UNSET) if office_id else UNSET,
    )
    return AttachmentView(attachment_id(path), path, data)


def name_of(record: Record) -> str:
    """The record's name; a host may have registered it without one."""
    name = record.attributes.get("name")
    return name if isinstance(name, str) else ""


def project_of(record: Record) -> str | None:
    """The project that the record says it belongs to, or else the one it lies below."""
    told = record.attributes.get("project_id")
    return told if isinstance(told, str) else next((ref.id for ref in record.parents if ref.type == "project"), None)


async def _offices(
    desk: Desk, addresses: Iterable[Address], projects: Iterable[RecordRef]
) -> dict[tuple[str, str], str]:
    """The ids of the offices that these paths name, by project and name."""
    found: dict[tuple[str, str], str] = {}
    for project in projects:
        names = {each.office for each in addresses if each.project == project.id and each.office is not None}
        if not names:
            continue
        filter = RecordFilter(("office",), (Where("attribute.name", "in", tuple(sorted(names))),))
        query = RecordQuery(desk.actor.account, Window(limit=MOST_OFFICES), filter, parent=project)
        try:
            page = await desk.records.find(query)
        except (NotFound, OutOfScope):
            continue  # The project has gone since its name was read.
        found |= {(project.id, name_of(each)): each.id for each in page.items}
    return found
