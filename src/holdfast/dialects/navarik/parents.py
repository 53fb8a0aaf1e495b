"""What lies above an attachment: the workspace, whose parties may see it, and the document in it."""

from holdfast.core.errors import NotFound
from holdfast.core.model import Record, RecordRef
from holdfast.web.dialect import Call


async def workspace_of(call: Call, id: str) -> Record:
    """The workspace. Raises `NotFound`, and `OutOfScope` for a caller who is not one of its parties."""
    found: Record = await call.desk.records.get(RecordRef("workspace", id))
    return found


async def document_in(call: Call, workspace: str, id: str) -> Record:
    """The document, if it lies in that workspace. Raises `NotFound`."""
    found: Record = await call.desk.records.get(RecordRef("document", id))
    if RecordRef("workspace", workspace) not in found.parents:
        raise NotFound("document")
    return found
