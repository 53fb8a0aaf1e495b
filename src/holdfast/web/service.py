"""The server's own endpoints: health, metrics, OpenAPI documents and the reference page."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
from prometheus_client import CollectorRegistry

from holdfast.core.errors import Forbidden, HoldfastError, Unavailable
from holdfast.core.model import ADMIN
from holdfast.core.upkeep.duties import Figure
from holdfast.web.dialect import Call, Dialect, Handler, Route
from holdfast.web.metrics import FigureCollector, Traffic, exposition
from holdfast.web.openapi import describe
from holdfast.web.problems import RouteNotFound, problem
from holdfast.web.reference import ASSETS, PAGE_HEADERS, asset, page
from holdfast.web.reply import Reply, json


class Service:
    """What the application answers for itself, as one more dialect."""

    def __init__(
        self,
        dialects: Sequence[Dialect],
        *,
        ready: Callable[[], Awaitable[None]],
        open_metrics: bool,
        figures: Callable[[], Iterable[Figure]] = tuple,
    ) -> None:
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._ready = ready
        self._open_metrics = open_metrics
        self._documents: dict[str, bytes] = {}
        self._rendered = b""
        self.dialect = Dialect(
            name="service",
            title="Service",
            prefixes=("/health", "/metrics", "/openapi", "/docs"),
            routes=self._routes(),
            errors={HoldfastError: problem},
        )
        self.traffic = Traffic(self.dialect)
        self.registry = CollectorRegistry()
        self.registry.register(self.traffic)
        self.registry.register(FigureCollector(figures))

    def _routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/health/live", self._live, public=True, summary="The process answers"),
            Route("GET", "/health/ready", self._is_ready, public=True, summary="The server can serve"),
            Route("GET", "/openapi/{name}.json", self._openapi, public=True, summary="One API, by its name"),
            Route("GET", "/docs", self._page, public=True, summary="The reference page"),
            Route("GET", "/docs/{name}", self._asset, public=True, summary="The page's own files"),
            Route(
                "GET",
                "/metrics",
                self._metrics,
                public=self._open_metrics,
                fresh=True,
                summary="Counts in Prometheus' text format",
            ),
            *(
                Route("GET", dialect.openapi_path, self._documented(dialect.name), public=True)
                for dialect in self._dialects.values()
                if dialect.openapi_path is not None
            ),
        )

    async def _live(self, _call: Call) -> Reply:
        return json({"status": "live"})

    async def _is_ready(self, _call: Call) -> Reply:
        try:
            await self._ready()
        except HoldfastError:
            raise
        except Exception as error:
            raise Unavailable("Not ready") from error
        return json({"status": "ready"})

    async def _metrics(self, call: Call) -> Reply:
        if not self._open_metrics and not call.actor.may(ADMIN):
            raise Forbidden("This needs the permission admin")
        return Reply(200, exposition(self.registry), "text/plain; version=0.0.4; charset=utf-8")

    async def _openapi(self, call: Call) -> Reply:
        return self._document(call.params["name"])

    def _documented(self, name: str) -> Handler:
        async def handler(_call: Call) -> Reply:
            return self._document(name)

        return handler

    def _document(self, name: str) -> Reply:
        dialect = self._dialects.get(name)
        if dialect is None:
            raise RouteNotFound
        if name not in self._documents:
            self._documents[name] = msgspec.json.encode(describe(dialect))
        return Reply(200, self._documents[name], "application/json")

    async def _page(self, _call: Call) -> Reply:
        if not self._rendered:
            self._rendered = page(tuple(self._dialects.values()))
        return Reply(200, self._rendered, "text/html; charset=utf-8", fixed=PAGE_HEADERS)

    async def _asset(self, call: Call) -> Reply:
        name = call.params["name"]
        data = asset(name)
        if data is None:
            raise RouteNotFound
        return Reply(200, data, ASSETS[name], fixed=PAGE_HEADERS)
