"""The server's own endpoints: health, metrics, OpenAPI documents and the reference page."""

from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry

from holdfast.core.errors import HoldfastError, NotFound, Unauthenticated, Unavailable
from holdfast.web.auth import bearer
from holdfast.web.dialect import Call, Dialect, Operation, Response, Route
from holdfast.web.metrics import Traffic, exposition
from holdfast.web.problems import problem
from holdfast.web.reply import Reply, json


class Service:
    """What the application answers for itself, as one more dialect."""

    def __init__(
        self,
        dialects: Sequence[Dialect],
        *,
        ready: Callable[[], Awaitable[None]],
        may_read_metrics: Callable[[str | None], bool],
    ) -> None:
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._ready = ready
        self._may_read_metrics = may_read_metrics
        self._documents: dict[str, bytes] = {}
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

    def _routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/health/live", self._live, public=True, summary="The process answers"),
            Route("GET", "/health/ready", self._is_ready, public=True, summary="The server can serve"),
            Route("GET", "/metrics", self._metrics, public=True, summary="Counts in Prometheus' text format"),
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
        if not self._may_read_metrics(bearer(call.req)):
            raise Unauthenticated
        return Reply(200, exposition(self.registry), "text/plain; version=0.0.4; charset=utf-8")


__all__ = ["NotFound", "Operation", "Response", "Service"]
