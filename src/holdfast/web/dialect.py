"""The shape that every API fills: routes, error table, credential. Nothing registers itself; they are listed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

import msgspec
from falcon.asgi import Request

from holdfast.core.errors import HoldfastError, Unauthenticated
from holdfast.core.model import Actor
from holdfast.core.store import Desk, Store
from holdfast.web.auth import Site, bearer
from holdfast.web.limits import Counters, Guesses, Quota
from holdfast.web.reply import Reply
from holdfast.web.wire import Wire

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

Schema = Any
"""A type that msgspec can describe, or a literal JSON schema (a dict)."""


class Call(msgspec.Struct):
    """One request on its way through a handler.

    `req` gives headers and query (`req.params`, `req.get_param`, `req.get_param_as_list`, all as sent), `params` the
    fields of the path, `client` the client's address, seen through trusted proxies only. Bodies are read by
    `holdfast.web.body`, never by `req.stream`.
    """

    req: Request
    store: Store
    wire: Wire
    site: Site
    counters: Counters
    request_id: str
    began: float
    monotonic: Callable[[], float]
    max_body: int
    client: str
    params: Mapping[str, str] = {}
    dialect: "Dialect | None" = None
    route: "Route | None" = None
    secret: str | None = None
    identity: Actor | None = None
    bound_desk: Desk | None = None
    quota: Quota | None = None
    content_type: tuple[str, dict[str, str]] | None = None

    @property
    def actor(self) -> Actor:
        """Who is asking. Raises `Unauthenticated` on a public route."""
        if self.identity is None:
            raise Unauthenticated
        return self.identity

    @property
    def desk(self) -> Desk:
        """The store as this actor may use it in this call. Raises `Unauthenticated` on a public route."""
        if self.bound_desk is None:
            raise Unauthenticated
        return self.bound_desk

    @property
    def base_url(self) -> str:
        """The public URL without a trailing slash: the setting, or the request's host."""
        return self.site.base_url(self.req)

    def choice(self, name: str) -> str | int:
        """What the operator has chosen for the dialect, or its own default."""
        if self.dialect is None:
            raise LookupError(name)
        return self.dialect.choices[name]

    @property
    def guesses(self) -> Guesses:
        """Failed sign-ins, to be checked and counted by routes that take passwords or secrets."""
        return Guesses(self.store.counts, self.counters.clock)

    @property
    def elapsed(self) -> float:
        """Seconds since the request arrived."""
        return self.monotonic() - self.began


Handler = Callable[[Call], Awaitable[Reply]]
Answer = Callable[[Any, Call], Reply]
"""From a failure to the vendor's own words; `call` may be without route, actor and path fields."""

ErrorTable = Mapping[type[HoldfastError], Answer]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query, header or path parameter, for OpenAPI."""

    name: str
    schema: Schema = str
    description: str = ""
    _: KW_ONLY
    where: Literal["query", "header", "path"] = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """One documented answer: what it means and its body by media type."""

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What OpenAPI says of a route beyond its path. Path fields that are not described are taken as strings."""

    id: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_required: bool = True
    responses: Mapping[int, Response] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `path` is a falcon template: `/v1/attachments/{id}`, `/v2/attachment/{rest:path}`.

    `keys` are the vendor's permission keys that open this route, `grants` the core's permissions that an actor gets
    for this one call when it holds one of them. A `GET` answers `HEAD` too; it is `fresh` when its answer depends
    on more than the request, the actor and the catalog, so that it must be made each time. A field never matches an
    empty segment.
    """

    method: Method
    path: str
    handler: Handler
    _: KW_ONLY
    keys: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    public: bool = False
    fresh: bool = False
    summary: str = ""
    operation: Operation = field(default_factory=Operation)


@dataclass(frozen=True, slots=True)
class Absent:
    """An operation that the vendor lists and this server does not offer, with the reason."""

    method: Method
    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One API over the store.

    `prefixes` claim the paths whose 404, 405, 413 and 500 have this dialect's shape; the longest claim wins.
    `mounts` are put in front of every path and prefix (`("", "/bridge")`). `errors` reaches every failure by class
    ancestry. `credential` takes the secret from a request. `rate` is the requests a minute that each caller has,
    None for no limit; it is a default that the operator may change. `finish` may change every answer, failures too.
    `failure` is the type of the error body for OpenAPI. `choices` are defaults that the operator may change, read
    by `Call.choice`. `openapi_path` is where the OpenAPI document stands beside `/openapi/<name>.json`.
    """

    name: str
    title: str
    prefixes: tuple[str, ...]
    routes: tuple[Route, ...]
    errors: ErrorTable
    absent: tuple[Absent, ...] = ()
    mounts: tuple[str, ...] = ("",)
    credential: Callable[[Request], str | None] = bearer
    finish: Callable[[Call, Reply], Reply] | None = None
    rate: int | None = None
    version: str = "1"
    description: str = ""
    failure: Schema = None
    failure_media_type: str = "application/json"
    openapi_path: str | None = None
    choices: Mapping[str, str | int] = field(default_factory=dict)
