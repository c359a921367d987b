"""Requests and their times: as Prometheus metrics, one registry an app, and as log lines."""

import logging
import time
from collections.abc import Callable
from urllib.parse import quote

import anyio.to_thread
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core import trace
from shared.core.budget import Budget
from shared.core.errors import tree
from shared.web import problem
from shared.web.peers import Peers

log = logging.getLogger(__name__)

# Monitoring requests these every few seconds.
ASKED_BY_MACHINES = frozenset({"/health", "/ready", "/metrics"})
# Callers may send any method, and each label would be stored for ever.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """Metrics that every service has."""

    def __init__(
        self, service: str, not_ready: Callable[[], str | None], peers: Peers | None = None
    ) -> None:
        self.registry = CollectorRegistry()
        self.service = service
        self._peers = peers or Peers({})
        self.requests = Counter(
            "ise_requests_total",
            "Requests answered.",
            ["service", "method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "ise_request_seconds",
            "Time from request to the last byte of the answer, in seconds.",
            ["service", "route"],
            registry=self.registry,
        )
        self.open = Gauge(
            "ise_requests_open",
            "Requests that came in and aren't answered.",
            ["service"],
            registry=self.registry,
        ).labels(service)
        self.problems = Counter(
            "ise_problems_total",
            "Errors that were answered, by the last part of their `type`.",
            ["service", "kind"],
            registry=self.registry,
        )
        # Create every label at the start, so that the first problem of a kind shows as an increase.
        for kind in tree():
            self.problems.labels(service, kind)
        Gauge(
            "ise_ready",
            "Whether the service can serve: what /ready answers.",
            ["service"],
            registry=self.registry,
        ).labels(service).set_function(lambda: float(not_ready() is None))
        self._peer_up = Gauge(
            "ise_peer_up",
            "Whether a service that this one asks answers it.",
            ["service", "peer"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def watch_memory(self, budget: Budget) -> None:
        """Add how much of the memory for calls is taken."""
        Gauge(
            "ise_memory_taken_bytes",
            "Memory taken by bodies, decoded pictures and caches, of ISE_MEMORY.",
            ["service"],
            registry=self.registry,
        ).labels(self.service).set_function(lambda: float(budget.taken))
        Gauge(
            "ise_memory_limit_bytes",
            "ISE_MEMORY, in bytes.",
            ["service"],
            registry=self.registry,
        ).labels(self.service).set(budget.most)

    async def exposition(self) -> Response:
        """All figures in Prometheus' text format."""
        await self._peers.look()
        for peer, is_up in self._peers.up.items():
            self._peer_up.labels(self.service, peer).set(is_up)
        # In a thread, because some figures are read from disk.
        text = await anyio.to_thread.run_sync(generate_latest, self.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)


class MetricsMiddleware:
    """Counts each request under its route's template, so that ids don't become labels; logs it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500
        self.metrics.open.inc()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            self.metrics.open.dec()
            route = getattr(scope.get("route"), "path", "unmatched")
            m = self.metrics
            method = scope["method"] if scope["method"] in _METHODS else "other"
            seconds = time.perf_counter() - started
            m.requests.labels(m.service, method, route, str(status)).inc()
            m.seconds.labels(m.service, route).observe(seconds)
            if kind := scope.get(problem.KIND):
                m.problems.labels(m.service, kind).inc()
            level = logging.DEBUG if scope["path"] in ASKED_BY_MACHINES else logging.INFO
            # Quoted, so that a path can't begin another line.
            path, ms = quote(scope["path"]), round(1000 * seconds, 1)
            fields = {"method": method, "path": path, "route": route, "status": status, "ms": ms}
            if (place := trace.current()) is not None:
                fields["trace_id"] = place.trace_id
            log.log(level, "%s %s %d in %.1f ms", method, path, status, ms, extra=fields)
