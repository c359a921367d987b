"""Requests and their times: as Prometheus metrics, one registry an app, and as log lines."""

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

# Every few seconds, by whoever watches over the service.
_ASKED_BY_MACHINES = frozenset({"/health", "/ready", "/metrics"})
# A caller may name any method; a label for each would never end.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The counters that every service has."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
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
        self.service = service

    async def endpoint(self, _: Request) -> Response:
        """`GET /metrics`."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


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

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            m = self.metrics
            method = scope["method"] if scope["method"] in _METHODS else "other"
            seconds = time.perf_counter() - started
            m.requests.labels(m.service, method, route, str(status)).inc()
            m.seconds.labels(m.service, route).observe(seconds)
            level = logging.DEBUG if scope["path"] in _ASKED_BY_MACHINES else logging.INFO
            log.log(level, "%s %s %d in %.1f ms", method, scope["path"], status, 1000 * seconds)
