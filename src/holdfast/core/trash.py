"""The trash: what is deleted is gone from every list at once, and can be restored until its retention ends."""

import msgspec

from holdfast.core.access import Work
from holdfast.core.model import Attachment
from holdfast.core.ports import LinkQuery, Window


async def trash(work: Work, attachment: Attachment) -> Attachment:
    """Put a live attachment into the trash."""
    at = work.tick()
    gone = msgspec.structs.replace(
        attachment, trashed_at=at, updated_at=at, updated_by=work.actor.id, revision=attachment.revision + 1
    )
    await work.save(gone)
    await work.settle(attachments=-1)
    await work.log("attachment.trashed", attachment.id, {"name": attachment.name}, at)
    return gone


async def trash_if_homeless(work: Work, attachment: Attachment) -> None:
    """Put an attachment that has neither link nor place in the tree any more into the trash."""
    if attachment.trashed_at is None and attachment.folder is None:
        left = await work.find(LinkQuery(work.account, Window(limit=1), attachment=attachment.id))
        if not left.items:
            await trash(work, attachment)
