"""Store -> ASGI application. Everything that lives as long as the process is made here and handed down."""

import dataclasses
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from holdfast.core.store import Store
from holdfast.core.upkeep.duties import Figure
from holdfast.dialects import ALL
from holdfast.web.auth import Site
from holdfast.web.dialect import Dialect
from holdfast.web.dispatch import Dispatcher, RequestIds, Wiring
from holdfast.web.limits import Counters, Crowd
from holdfast.web.logs import AccessLog, JsonFormatter
from holdfast.web.openapi import describe
from holdfast.web.service import Service
from holdfast.web.sharing import Sharing
from holdfast.web.wire import Pace, Receive, Scope, Send

Hook = Callable[[], Awaitable[None]]


async def _always_ready() -> None:
    return None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Plain values for the application.

    `max_body` bounds every request body; the store has its own limit for a file. `rates` replaces dialects' requests
    a minute by name (None: no limit). `ready` raises when the server cannot serve. `start` and `stop` run in the
    lifespan, `stop` in reverse order. `address_requests` and `address_uploads` bound what each client address has
    under way at once in this process (None: no limit). `shared_rates` says that other processes serve the
    same store. `open_metrics` False closes `/metrics` to all without the permission admin. `access_log` takes JSON
    lines, one for each answered request, several at a time.
    """

    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    max_body: int = (5 << 30) + (1 << 20)
    rates: Mapping[str, int | None] = {}
    choices: Mapping[str, Mapping[str, str | int]] = {}
    pace: Pace = Pace()
    address_requests: int | None = 1024
    address_uploads: int | None = 256
    open_metrics: bool = True
    shared_rates: bool = False
    access_log: Callable[[bytes], object] | None = None
    ready: Hook = _always_ready
    figures: Callable[[], Iterable[Figure]] = tuple
    start: Sequence[Hook] = ()
    stop: Sequence[Hook] = ()
    clock: Callable[[], float] = time.time
    entropy: Callable[[int], bytes] = os.urandom


class Application:
    """The ASGI callable."""

    def __init__(self, dispatcher: Dispatcher, options: Options, access_log: AccessLog | None) -> None:
        self._dispatch = dispatcher
        self._options = options
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HTTP to the dispatcher; the lifespan's hooks; WebSockets are closed."""
        kind = scope["type"]
        if kind == "http":
            await self._dispatch(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            for hook in self._options.start:
                await hook()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for hook in reversed(self._options.stop):
            await hook()
        if self._access_log is not None:
            self._access_log.flush()
        await send({"type": "lifespan.shutdown.complete"})


def build(store: Store, dialects: Sequence[Dialect], options: Options | None = None) -> Application:
    """The application that offers these dialects over this store."""
    options = options or Options()
    dialects = [_chosen(dialect, options.choices.get(dialect.name, {})) for dialect in dialects]
    access_log = None if options.access_log is None else AccessLog(options.access_log, options.clock)
    service = Service(dialects, ready=options.ready, open_metrics=options.open_metrics, figures=options.figures)
    counters = Counters(options.clock)
    if options.shared_rates:
        sharing = Sharing(counters, store.counts)
        options = msgspec.structs.replace(
            options, start=(*options.start, sharing.start), stop=(*options.stop, sharing.stop)
        )
    wiring = Wiring(
        site=Site(options.public_url, options.trusted_proxies),
        counters=counters,
        crowd=Crowd(options.address_requests, options.address_uploads),
        traffic=service.traffic,
        pace=options.pace,
        max_body=options.max_body,
        rates=options.rates,
        request_ids=RequestIds(options.entropy(6).hex()),
        access_log=access_log,
    )
    return Application(Dispatcher(store, [*dialects, service.dialect], wiring), options, access_log)


def dialect_names() -> tuple[str, ...]:
    """Every API there is, by its name in settings."""
    return tuple(dialect.name for dialect in ALL)


def named(names: Collection[str]) -> tuple[Dialect, ...]:
    """The APIs of these names, in their own order."""
    return tuple(dialect for dialect in ALL if dialect.name in names)


def permission_keys() -> frozenset[str]:
    """Every permission key that some API's route names."""
    return frozenset(key for dialect in ALL for route in dialect.routes for key in route.keys)


def openapi_document(name: str, url: str = "") -> str:
    """The OpenAPI document of one API, with `url` in front of its servers. Raises `KeyError`."""
    found = {dialect.name: dialect for dialect in ALL}
    return msgspec.json.format(msgspec.json.encode(describe(found[name], url))).decode()


def log_formatter() -> logging.Formatter:
    """For handlers of `logging`: JSON lines with the request's id and without secrets."""
    return JsonFormatter()


def _chosen(dialect: Dialect, choices: Mapping[str, str | int]) -> Dialect:
    return dataclasses.replace(dialect, choices={**dialect.choices, **choices})
