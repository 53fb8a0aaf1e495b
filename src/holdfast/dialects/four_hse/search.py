"""`POST /v2/attachment/index`: files and folders of the tree in one list (contract section 4.1)."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, field

from holdfast.core.errors import Invalid, NotFound
from holdfast.core.paths import is_below
from holdfast.core.ports import EntryQuery, Page, RecordFilter, RecordQuery, Where, Window
from holdfast.core.store import Desk
from holdfast.dialects.four_hse.inputs import DEFAULT_PAGE_SIZE, asked, converted, paged
from holdfast.dialects.four_hse.paths import Entry, normal, office_folder, project_folder
from holdfast.dialects.four_hse.shapes import DIRECTORY, attachment_views, name_of, project_of
from holdfast.web.dialect import Call
from holdfast.web.reply import Reply, json

MOST_NAMESAKES: Final = 100

Positive = Annotated[int, Meta(ge=1)]


class Search(msgspec.Struct, frozen=True):
    """What is looked for; all that is given must hold."""

    per_page: Positive = field(default=DEFAULT_PAGE_SIZE, name="per-page")
    page: Positive = 1
    sort: Literal["attachment_path", "-attachment_path", ""] = ""
    key: str | None = None
    value: str | int | float | bool | None = None
    search_text: str | None = field(default=None, name="searchText")
    root_path: str | None = None
    parent_path: str | None = None


async def index(call: Call) -> Reply:
    """POST /v2/attachment/index."""
    search = converted(await asked(call), Search)
    base = await _query(call.desk, search)

    async def fetch(window: Window) -> Page[Entry]:
        if base is None:
            return Page((), None, 0)
        try:
            return await call.desk.folders.find(msgspec.structs.replace(base, window=window))
        except NotFound:
            return Page((), None, 0)

    entries, headers = await paged(call, search.page, search.per_page, fetch)
    return json(await attachment_views(call.desk, entries), headers=headers)


async def _query(desk: Desk, search: Search) -> EntryQuery | None:
    """The search in the core's terms; None when nothing can match."""
    query = EntryQuery(desk.actor.account, Window(limit=1), descending=search.sort.startswith("-"))
    parts: dict[str, Any] = {"where": ()}
    if search.root_path:
        parts["under"] = (normal(search.root_path),)
    if search.parent_path:
        parts["parent"] = parent = normal(search.parent_path)
        if search.root_path and not is_below(parent, parts.pop("under")[0]):
            return None
    if search.search_text:
        parts |= _named(search.search_text)
    if search.key and search.value not in {None, ""}:
        narrowed = await _described(desk, search.key, _text(search.value))
        if narrowed is None:
            return None
        where = (*parts["where"], *narrowed.pop("where", ()))
        parts |= {**narrowed, "where": where}
    return msgspec.structs.replace(query, **parts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _named(text: str) -> dict[str, Any]:
    """The text occurs in the last segment, whatever its case; its longer words lead to the rows by an index."""
    words = [word for word in text.split() if len(word) > 2]
    return {"where": (Where("name", "contains", text),), "words": " ".join(words) or None}


async def _described(desk: Desk, key: str, value: str) -> dict[str, Any] | None:
    """One pair of the metadata that `data` shows; None when nothing has it."""
    if key == "mimetype":
        if value == DIRECTORY:
            return {"kinds": frozenset({"folder"})}
        return {"where": (Where("media_type", "eq", value),)}
    if key == "size":
        # Digits as they are shown: `007` is nobody's size, and no file has more bytes than 18 digits can count.
        shown = value.isascii() and value.isdigit() and len(value) <= 18 and str(int(value)) == value
        return {"where": (Where("size", "eq", int(value)),)} if shown else None
    places = await _places(desk, key, value)
    # In the vendor's example a search by project gives what is in the project's folder, not that folder.
    return {"within": places, "where": tuple(Where("path", "ne", place) for place in places)} if places else None


async def _places(desk: Desk, key: str, value: str) -> tuple[str, ...]:
    """The folders of the projects or offices that have this name or id."""
    if key == "project_id":
        return () if "/" in value else (project_folder(value),)
    fields = {"project_name": ("project", "attribute.name"), "office_name": ("office", "attribute.name")}
    fields["office_id"] = ("office", "id")
    if key not in fields:
        return ()
    type, field = fields[key]
    filter = RecordFilter((type,), (Where(field, "eq", value),))
    found = await desk.records.find(RecordQuery(desk.actor.account, Window(limit=MOST_NAMESAKES), filter))
    if found.next is not None:
        raise Invalid(f"More than {MOST_NAMESAKES} have this {key}; search by id", fields={"value": "too many"})
    if type == "project":
        return tuple(project_folder(record.id) for record in found.items)
    places = ((project_of(record), name_of(record)) for record in found.items)
    return tuple(office_folder(project, name) for project, name in places if project and name)
