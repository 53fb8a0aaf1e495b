"""From an ASGI scope to a route of a dialect, and from its reply to the wire.

Falcon's compiled router and request are used directly; what its application class adds around them (media handlers,
error serializers, a second response object) is what dialects must shape themselves.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from types import MappingProxyType
from typing import Final, cast
from urllib.parse import unquote_to_bytes

import falcon
import msgspec
from falcon.asgi import Request
from falcon.request import RequestOptions
from falcon.routing import CompiledRouter

from holdfast.core.errors import HoldfastError, Invalid, Malformed, RateLimited, Unauthenticated, Unavailable
from holdfast.core.model import Actor
from holdfast.core.store import Store
from holdfast.web.auth import Site
from holdfast.web.dialect import Call, Dialect, Route
from holdfast.web.limits import Counters, Crowd
from holdfast.web.metrics import Endpoint, Traffic
from holdfast.web.problems import InternalError, MethodNotAllowed, RouteNotFound, lookup, problem
from holdfast.web.repeats import Repeats, question
from holdfast.web.reply import Reply, empty
from holdfast.web.wire import Aborted, Pace, RawHeaders, Receive, Scope, Send, Wire, closed_after

AccessLog = Callable[[Call, Endpoint, int, float], None]

DEFAULT_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""What every answer carries that does not bring its own set."""

_OVERRIDABLE: Final = frozenset(name.decode() for name, _ in DEFAULT_HEADERS)
_USUAL_NAMES: Final = MappingProxyType(
    {
        name: name.lower().encode()
        for name in (
            "Accept-Ranges",
            "Content-Disposition",
            "Content-Range",
            "ETag",
            "Last-Modified",
            "Location",
            "Repr-Digest",
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
        )
    }
)
_BODILESS: Final = frozenset({204, 304})
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")

_log = logging.getLogger("holdfast.web")


class RequestIds:
    """Ids that are unique in the installation and cost a few nanoseconds: a random stem and a count."""

    __slots__ = ("_count", "_stem")

    def __init__(self, stem: str) -> None:
        self._stem = stem
        self._count = 0

    def take(self, wished: str | None) -> str:
        """The client's own id where it is a sane one, else a new one."""
        if wished is not None and 8 <= len(wished) <= 64 and wished.isascii() and wished.replace("-", "").isalnum():
            return wished
        self._count += 1
        return f"{self._stem}-{self._count:08x}"


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """What a dispatcher shares with the rest of the process."""

    site: Site
    counters: Counters
    crowd: Crowd
    traffic: Traffic
    pace: Pace
    max_body: int
    rates: Mapping[str, int | None]
    request_ids: RequestIds
    access_log: AccessLog | None


class Dispatcher:
    """The HTTP half of the application: one call per request."""

    def __init__(self, store: Store, dialects: Sequence[Dialect], wiring: Wiring) -> None:
        self._store = store
        self._site = wiring.site
        self._counters = wiring.counters
        self._crowd = wiring.crowd
        self._traffic = wiring.traffic
        self._pace = wiring.pace
        self._max_body = wiring.max_body
        self._rates = {dialect.name: wiring.rates.get(dialect.name, dialect.rate) for dialect in dialects}
        self._request_ids = wiring.request_ids
        self._access_log = wiring.access_log
        self._repeats = Repeats(store.stamp)
        self._request_options = RequestOptions()
        self._request_options.keep_blank_qs_values = True
        self._request_options.auto_parse_qs_csv = False
        self._claims = claims(dialects)
        self._router = CompiledRouter()
        for endpoint in endpoints(dialects):
            self._router.add_route(endpoint.template, endpoint)
        self._router.find("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        began = perf_counter()
        wire = Wire(scope, receive, send, self._pace)
        del receive, send
        call, failure = self._call(scope, wire, began)
        endpoint = self._traffic.unrouted
        self._traffic.in_flight += 1
        status = 500
        upload = not wire.complete
        seat: str | None = None
        try:
            try:
                if failure is not None:
                    raise failure
                endpoint = self._route(scope, call)
                seat = self._seat(call, upload=upload)
                reply = await self._handled(call, endpoint)
                status = reply.status
                await self._deliver(call, reply)
            except Aborted:
                raise
            except Exception as error:  # noqa: BLE001 the last resort: nothing may leave unanswered
                reply = self._refusal(call, error)
                status = reply.status
                await self._deliver(call, reply)
        except Aborted as cut:
            # Returning without an end makes the server close the connection, so that no client takes it for whole.
            _log.info("answer cut: %s", cut, extra={"request_id": call.request_id})
            status = 499 if wire.gone else status
        finally:
            elapsed = perf_counter() - began
            wire.release()
            failure = None  # its traceback names this frame
            self._traffic.in_flight -= 1
            if seat is not None:
                self._crowd.leave(seat, upload=upload)
            self._traffic.count(endpoint, call.req.method, status, elapsed, wire.received, wire.sent)
            if self._access_log is not None:
                self._access_log(call, endpoint, status, elapsed)

    def _seat(self, call: Call, *, upload: bool) -> str | None:
        """Count the request among those that its client has under way. Raises `RateLimited`."""
        client = self._site.counted(call.client)
        if client is not None:
            try:
                self._crowd.enter(client, upload=upload)
            except RateLimited:
                call.wire.abandon()
                raise
        return client

    def _call(self, scope: Scope, wire: Wire, began: float) -> tuple[Call, HoldfastError | None]:
        failure = None
        query = scope["query_string"]
        if (b"%" in query or not query.isascii()) and not _is_clean(query, strict_escapes=False):
            failure = Malformed("The query is not UTF-8 text without NUL")
            scope = {**scope, "query_string": b""}
        req = Request(scope, wire.receive, options=self._request_options)
        call = Call(
            req,
            self._store,
            wire,
            self._site,
            self._counters,
            self._request_ids.take(req.get_header("X-Request-Id")),
            began,
            perf_counter,
            self._max_body,
            self._site.client(req),
        )
        return call, failure

    def _route(self, scope: Scope, call: Call) -> Endpoint:
        path = scope["path"]
        raw = scope.get("raw_path") or path.encode("utf-8", "surrogatepass")
        escaped = b"%" in raw
        if (escaped or not raw.isascii() or b"\0" in raw) and not _is_clean(raw, strict_escapes=True):
            raise Malformed("The path has a broken escape, is not UTF-8, or holds NUL")
        found = self._router.find(path)
        if found is None or path[1:2] == "/":
            raise RouteNotFound(path)
        endpoint, params = cast(Endpoint, found[0]), found[2]
        if escaped and b"%2f" in raw.lower() and not endpoint.takes_slashes(raw):
            raise RouteNotFound(path)
        for name, value in params.items():
            if not value and name != endpoint.tail:
                raise RouteNotFound(path)
        call.params = params
        call.dialect = endpoint.dialect
        return endpoint

    async def _handled(self, call: Call, endpoint: Endpoint) -> Reply:
        method = call.req.method
        route = endpoint.routes.get(method)
        if route is None:
            if method == "OPTIONS":
                return self._finished(call, empty(204, headers=(("Allow", endpoint.allow),)))
            raise MethodNotAllowed(endpoint.allow)
        call.route = route
        if route.public:
            return self._finished(call, await route.handler(call))
        # Who asks was read just now, so the stamp is of after the request came in.
        actor = await self._admit(call, endpoint.dialect)
        stamp = self._repeats.stamp() if route.method == "GET" and not route.fresh and call.wire.complete else None
        if stamp is None:
            return self._finished(call, await self._made(call, route, actor))
        asked = question(call.req.scope, actor)
        reply = self._repeats.recall(asked)
        if reply is None:
            reply = await self._made(call, route, actor)
            self._repeats.keep(stamp, asked, reply)
        return self._finished(call, reply)

    async def _made(self, call: Call, route: Route, actor: Actor) -> Reply:
        call.bound_desk = self._store.desk(actor, route.keys, route.grants)
        return await route.handler(call)

    async def _admit(self, call: Call, dialect: Dialect) -> Actor:
        secret = dialect.credential(call.req)
        if not secret:
            raise Unauthenticated
        call.secret = secret
        call.identity = actor = await self._store.identify(secret)
        rate = self._rates[dialect.name]
        if rate is not None:
            call.quota = quota = self._counters.look((dialect.name, actor.account, actor.id), rate, more=1)
            if quota.remaining < 0:
                raise RateLimited(quota.retry_after, "Too many requests")
        return actor

    @staticmethod
    def _finished(call: Call, reply: Reply) -> Reply:
        dialect = call.dialect
        return reply if dialect is None or dialect.finish is None else dialect.finish(call, reply)

    def _refusal(self, call: Call, error: Exception) -> Reply:
        """The failure in the words of the dialect that owns the path."""
        if call.wire.started:
            _log.error("the answer broke off", exc_info=error, extra={"request_id": call.request_id})
            raise Aborted(type(error).__name__) from error
        failure = self._failure(call, error)
        if call.dialect is None:
            call.dialect = self._owner(call.req.path)
        try:
            table = call.dialect.errors if call.dialect is not None else {}
            answer = lookup(table, type(failure)) or problem
            reply = self._finished(call, answer(failure, call))
        except Exception:  # noqa: BLE001 a fault in the table must not hide the failure
            _log.exception("the error table failed", extra={"request_id": call.request_id})
            reply = problem(InternalError())
        return reply.adding(*_obligations(failure, reply))

    @staticmethod
    def _failure(call: Call, error: Exception) -> HoldfastError:
        if isinstance(error, HoldfastError):
            return error
        if isinstance(error, falcon.HTTPError):
            return Invalid(error.description or error.title or "")
        _log.error("unexpected failure", exc_info=error, extra={"request_id": call.request_id})
        return InternalError()

    def _owner(self, path: str) -> Dialect | None:
        for prefix, dialect in self._claims:
            if path == prefix or path.startswith(prefix + "/"):
                return dialect
        return None

    async def _deliver(self, call: Call, reply: Reply) -> None:
        wire = call.wire
        if not wire.complete:
            await wire.drain()
        headers = header_list(reply, call.request_id)
        body = reply.body
        if wire.close and not str(call.req.scope.get("http_version", "1.1")).startswith("2"):
            headers.append((b"connection", b"close"))
        head = call.req.method == "HEAD"
        if isinstance(body, bytes):
            if reply.status not in _BODILESS:
                size = reply.size if head and reply.size is not None else len(body)
                headers.append((b"content-length", b"%d" % size))
            await wire.answer(reply.status, headers, b"" if head or reply.status in _BODILESS else body)
            return
        if reply.size is not None:
            headers.append((b"content-length", b"%d" % reply.size))
        if head:
            await wire.answer(reply.status, headers, b"")
            return
        chunks = body()
        try:
            await wire.stream(reply.status, headers, chunks, reply.size)
        finally:
            await closed_after(chunks)


def header_list(reply: Reply, request_id: str) -> RawHeaders:
    """The reply's headers as the wire wants them. Raises `ValueError` for a value that would break out of its line."""
    fixed = DEFAULT_HEADERS if reply.fixed is None else reply.fixed
    headers = [*fixed, (b"x-request-id", request_id.encode())]
    if reply.media_type is not None:
        headers.append((b"content-type", _checked(reply.media_type)))
    for name, value in reply.headers:
        raw = _USUAL_NAMES.get(name)
        if raw is None:
            lowered = name.lower()
            raw = lowered.encode("ascii")
            if lowered in _OVERRIDABLE:
                headers = [pair for pair in headers if pair[0] != raw]
        headers.append((raw, _checked(value)))
    return headers


def _checked(value: str) -> bytes:
    if not value.isprintable() and ("\n" in value or "\r" in value or "\0" in value):
        raise ValueError("control character in a header value")
    return value.encode("latin-1")


def _obligations(failure: HoldfastError, reply: Reply) -> list[tuple[str, str]]:
    """Headers that RFC 9110 asks of a status, unless the dialect has written them."""
    present = {name.lower() for name, _ in reply.headers}
    wanted: list[tuple[str, str]] = []
    if reply.status == 401:
        wanted.append(("WWW-Authenticate", "Bearer"))
    if isinstance(failure, MethodNotAllowed):
        wanted.append(("Allow", failure.allowed))
    if isinstance(failure, RateLimited | Unavailable):
        wanted.append(("Retry-After", str(failure.retry_after)))
    return [pair for pair in wanted if pair[0].lower() not in present]


def _is_clean(raw: bytes, *, strict_escapes: bool) -> bool:
    """Whether escapes are whole and the decoded bytes are UTF-8 without NUL (the server decodes lossily).

    No character may be half escaped: what is sent has to be UTF-8 as it stands, too.
    """
    if strict_escapes:
        at = raw.find(b"%")
        while at != -1:
            if len(raw) < at + 3 or raw[at + 1] not in _HEX or raw[at + 2] not in _HEX:
                return False
            at = raw.find(b"%", at + 3)
    decoded = unquote_to_bytes(raw)
    if b"\0" in decoded:
        return False
    try:
        raw.decode()
        decoded.decode()
    except UnicodeDecodeError:
        return False
    return True


def claims(dialects: Sequence[Dialect]) -> tuple[tuple[str, Dialect], ...]:
    """Claimed prefixes, the longest first."""
    found: dict[str, Dialect] = {}
    for dialect in dialects:
        for mount in dialect.mounts:
            for prefix in dialect.prefixes:
                claim = (mount + prefix).rstrip("/")
                if found.setdefault(claim, dialect) is not dialect:
                    raise ValueError(f"{claim} is claimed by {found[claim].name} and {dialect.name}")
    return tuple(sorted(found.items(), key=lambda item: -len(item[0])))


def endpoints(dialects: Sequence[Dialect]) -> list[Endpoint]:
    """One endpoint for each path, with the routes of all its methods."""
    found: dict[str, Endpoint] = {}
    for dialect in dialects:
        for mount in dialect.mounts:
            for route in dialect.routes:
                template = mount + route.path
                endpoint = found.setdefault(template, Endpoint(dialect, template))
                if endpoint.dialect is not dialect or route.method in endpoint.routes:
                    raise ValueError(f"{route.method} {template} is offered twice")
                endpoint.routes[route.method] = route
    for endpoint in found.values():
        endpoint.settle()
    return list(found.values())
