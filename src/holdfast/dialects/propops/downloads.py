"""The two attachment URLs (the vendor's attachment page; contract section 4)."""

from contextlib import suppress
from typing import Final

import msgspec

from holdfast.core.errors import Unavailable, Unrenderable
from holdfast.core.model import Content
from holdfast.dialects.propops.errors import InvalidSecurityKey, MissingUuid
from holdfast.web.content import serve
from holdfast.web.dialect import Call
from holdfast.web.reply import Reply

EDGE: Final = 200
PICTURES: Final = frozenset({"image/jpeg", "image/png"})
"""The only types that have a thumbnail at these URLs."""

_KEYS: Final = ("key", "security_key")


async def nothing(_call: Call) -> Reply:
    """GET /attachment and /attachment/."""
    raise MissingUuid


async def download(call: Call) -> Reply:
    """GET /attachment/{uuid}; every query parameter but a security key is ignored, `v` among them."""
    _refuse_keys(call)
    _, content = await call.desk.attachments.content(call.params["uuid"])
    return _original(call, content)


async def thumbnail(call: Call) -> Reply:
    """GET /attachment/{uuid}/thumbnail: a JPEG of a JPEG or PNG; the original of anything else."""
    _refuse_keys(call)
    uuid = call.params["uuid"]
    _, content = await call.desk.attachments.content(uuid)
    if content.media_type in PICTURES:
        with suppress(Unavailable, Unrenderable):
            return bare(serve(call, await call.desk.renditions.thumbnail(uuid, EDGE), inline=True))
    return _original(call, content)


def bare(reply: Reply) -> Reply:
    """Without a name to save it by, as the vendor's sample of a thumbnail shows."""
    kept = tuple(pair for pair in reply.headers if pair[0] != "Content-Disposition")
    return msgspec.structs.replace(reply, headers=kept)


def _original(call: Call, content: Content) -> Reply:
    return serve(call, content, inline=call.choice("disposition") == "inline")


def _refuse_keys(call: Call) -> None:
    if any(key in call.req.params for key in _KEYS):
        raise InvalidSecurityKey
