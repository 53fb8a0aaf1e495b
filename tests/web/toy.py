"""A small dialect and a store in memory, to see the plumbing from outside."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from holdfast.core import errors
from holdfast.core.model import Actor, ByteRange, Content
from holdfast.web import body, content
from holdfast.web.dialect import Call, Dialect, Operation, Response, Route
from holdfast.web.problems import problem
from holdfast.web.reply import Reply, empty, json, text


@dataclass
class Store:
    """Files by name. `reads` counts the chunks that were read, `asked` the counting route's answers; every `keep` is a
    commit, and `blind` is an engine that cannot tell of any."""

    files: dict[str, Content] = field(default_factory=dict)
    desks: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    reads: int = 0
    closed: int = 0
    short_by: int = 0
    lost: bool = False
    chunk: int = 1000
    asked: int = 0
    commits: int = 0
    blind: bool = False
    revoked: bool = False
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    door: asyncio.Event | None = None

    def stamp(self) -> bytes | None:
        return None if self.blind else b"%d" % self.commits

    async def identify(self, secret: str) -> Actor:
        if self.revoked or not secret.startswith("token-"):
            raise errors.Unauthenticated
        permissions = {"admin"} if secret == "token-admin" else set()
        return Actor(1, secret, "user", secret, frozenset(permissions))

    def desk(self, actor: Actor, keys: Sequence[str] = (), grants: Sequence[str] = ()) -> "Store":
        self.desks.append((actor.id, tuple(keys), tuple(grants)))
        return self

    def keep(self, name: str, data: bytes, media_type: str = "application/octet-stream") -> Content:
        async def read(part: ByteRange) -> AsyncIterator[bytes]:
            if self.lost:
                raise errors.ContentLost
            try:
                for at in range(part.start, part.start + part.length - self.short_by, self.chunk):
                    self.reads += 1
                    yield data[at : min(at + self.chunk, part.start + part.length)]
            finally:
                self.closed += 1

        stored = Content(name, media_type, len(data), hashlib.sha256(data).digest(), 1_700_000_000_250_000, read)
        self.files[name] = stored
        self.commits += 1
        return stored


def mine(call: Call) -> Store:
    return cast(Store, call.desk)


async def upload(call: Call) -> Reply:
    seen: list[dict[str, Any]] = []
    kept: list[tuple[str, bytes, str]] = []
    async for part in body.form(call):
        if isinstance(part, body.Field):
            seen.append({"name": part.name, "value": part.value})
            continue
        data = b"".join([chunk async for chunk in part.chunks])
        seen.append({"name": part.name, "filename": part.filename, "type": part.media_type, "size": len(data)})
        kept.append((part.filename, data, part.media_type or "application/octet-stream"))
    for name, data, media_type in kept:
        mine(call).keep(name, data, media_type)
    return json(seen, 201)


async def upload_raw(call: Call) -> Reply:
    data = b"".join([chunk async for chunk in body.raw(call, limit=100_000)])
    mine(call).keep(call.params["name"], data)
    return empty(201)


async def download(call: Call) -> Reply:
    stored = mine(call).files.get(call.params["name"])
    if stored is None:
        raise errors.NotFound("attachment")
    return content.serve(call, stored, inline=call.req.params.get("mode") == "inline")


async def echo_json(call: Call) -> Reply:
    return json(await body.json(call, optional="optional" in call.req.params))


async def typed_json(call: Call) -> Reply:
    return json(await body.json(call, dict[str, int]))


async def echo(call: Call) -> Reply:
    return json({"params": call.params, "query": call.req.params, "base": call.base_url, "client": call.client})


async def count(call: Call) -> Reply:
    store = mine(call)
    store.asked += 1
    number = store.asked
    store.entered.set()
    if store.door is not None:
        await store.door.wait()
    return json(number)


async def refuse(call: Call) -> Reply:
    raise getattr(errors, call.params["kind"])(*([1] if call.params["kind"] in {"TooLarge", "RateLimited"} else ["x"]))


async def explode(call: Call) -> Reply:
    raise RuntimeError("secret-of-the-house")


def vendor_error(error: errors.HoldfastError, call: Call) -> Reply:
    return text(f"{error.code}", 418)


ROUTES = (
    Route("POST", "/toy/files", upload, keys=("toy.write",), grants=("attachments.write",)),
    Route("PUT", "/toy/files/{name}", upload_raw),
    Route("GET", "/toy/files/{name}", download, operation=Operation(responses={200: Response("The bytes")})),
    Route("POST", "/toy/json", echo_json),
    Route("POST", "/toy/typed", typed_json),
    Route("GET", "/toy/echo/{one}/{two}", echo),
    Route("GET", "/toy/tail/{rest:path}", echo),
    Route("GET", "/toy/count", count),
    Route("GET", "/toy/count/anew", count, fresh=True),
    Route("GET", "/toy/refuse/{kind}", refuse),
    Route("GET", "/toy/explode", explode),
    Route("GET", "/toy/open", echo, public=True),
)

TOY = Dialect(name="toy", title="Toy", prefixes=("/toy",), routes=ROUTES, errors={errors.HoldfastError: problem})

VENDOR = Dialect(
    name="vendor",
    title="Vendor",
    prefixes=("/toy/vendor", "/vendor"),
    mounts=("", "/bridge"),
    routes=(
        Route("GET", "/vendor/{id}", echo),
        Route("POST", "/vendor/explode", explode),
        Route("POST", "/vendor/json", echo_json),
    ),
    errors={
        errors.HoldfastError: vendor_error,
        errors.NotFound: lambda _error, _call: text("nothing here", 404),
    },
    finish=lambda call, reply: reply.adding(("X-Vendor", "yes"), *_quota(call)),
    rate=3,
)


def _quota(call: Call) -> list[tuple[str, str]]:
    return [] if call.quota is None else [("X-RateLimit-Remaining", str(call.quota.remaining))]
