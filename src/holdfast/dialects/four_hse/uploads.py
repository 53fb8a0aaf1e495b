"""`POST /v2/attachment/{folder}` and `create`: a new file or folder (contract section 4.3)."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import Invalid
from holdfast.core.intake import Intake
from holdfast.core.model import joined
from holdfast.core.paths import checked_name
from holdfast.dialects.four_hse.paths import Entry, absolute, normal, split
from holdfast.dialects.four_hse.shapes import attachment_view, require_project
from holdfast.web import body
from holdfast.web.body import Field
from holdfast.web.dialect import Call
from holdfast.web.reply import Reply, json

FILE: Final = "file"
TEXTS: Final = frozenset({"path", "replace"})


class NewFolder(msgspec.Struct, frozen=True):
    """A folder to be made; sent as JSON or as a form without a file."""

    path: Annotated[str, Meta(min_length=1)]
    replace: Literal[0, 1] = 0


class Sent(msgspec.Struct):
    """What came with the request: a name or path, and the file if there is one."""

    path: str
    replace: bool = False
    intake: Intake | None = None


async def upload(call: Call) -> Reply:
    """POST /v2/attachment/{folder}: `path` is a bare name in the folder of the URL."""
    rest = call.params["rest"]
    if not rest:
        raise Invalid("Missing required parameters: id", fields={"id": "missing"})
    folder = normal(rest)
    if folder.count("/") > 1:
        await require_project(call.desk, folder, file=False)
    async with AsyncExitStack() as stack:
        sent = await _received(call, stack)
        path = normal(joined(folder, checked_name(sent.path)))
        return json(await attachment_view(call.desk, await _stored(call, path, sent)), 201)


async def create(call: Call) -> Reply:
    """POST /v2/attachment/create: `path` is the whole path, as the vendor's own client sends it."""
    async with AsyncExitStack() as stack:
        sent = await _received(call, stack)
        path = absolute(sent.path)
        return json(await attachment_view(call.desk, await _stored(call, path, sent)), 201)


async def _stored(call: Call, path: str, sent: Sent) -> Entry:
    await require_project(call.desk, path, file=sent.intake is not None)
    if sent.intake is None:
        return await call.desk.folders.create(path)
    folder, name = split(path)
    new = NewAttachment(name, folder=folder, on_conflict="replace" if sent.replace else "fail")
    return await call.desk.attachments.create(sent.intake, new)


async def _received(call: Call, stack: AsyncExitStack) -> Sent:
    texts: Mapping[str, Any]
    if body.media_type(call) in {body.MULTIPART, body.URLENCODED}:
        texts, intake = await _form(call, stack)
    else:
        texts, intake = await body.json(call, dict[str, Any], optional=True), None
    path, replace = texts.get("path"), texts.get("replace")
    if not isinstance(path, str) or not path:
        raise Invalid("path is required", fields={"path": "missing"})
    if isinstance(replace, bool) or replace not in (None, "", "0", "1", 0, 1):
        raise Invalid("replace is 1 or 0", fields={"replace": "expected 1 or 0"})
    return Sent(path, replace in ("1", 1), intake)


async def _form(call: Call, stack: AsyncExitStack) -> tuple[dict[str, str], Intake | None]:
    """The texts and the file, in whatever order they come."""
    texts: dict[str, str] = {}
    intake: Intake | None = None
    async for part in body.form(call):
        if part.name in texts or (part.name == FILE and intake is not None):
            raise Invalid(f"{part.name} is sent more than once", fields={part.name: "repeated"})
        if isinstance(part, Field):
            _refuse_text_as_file(part)
            if part.name in TEXTS:
                texts[part.name] = part.value
        elif part.name in TEXTS:
            raise Invalid(f"{part.name} is a text, not a file", fields={part.name: "a file"})
        elif part.name == FILE:
            taken = await stack.enter_async_context(await call.desk.attachments.receive())
            name = texts.get("path") or part.filename
            await taken.take(part.chunks, name=name, declared_type=part.media_type)
            # What a browser sends for a file input that was left alone has neither name nor bytes.
            intake = taken if part.filename or taken.size else None
    return texts, intake


def _refuse_text_as_file(part: Field) -> None:
    if part.name == FILE and part.value:
        raise Invalid("file is sent with a file name", fields={FILE: "a text"})
