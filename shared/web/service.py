"""Common shape of the three services as web applications."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import MappingProxyType

import anyio.to_thread
from fastapi import FastAPI

from shared.core.budget import MIB, Budget
from shared.core.errors import ISEError, Misconfigured
from shared.core.settings import ServiceSettings
from shared.web import docs, openapi, operations, otel, problem
from shared.web.admission import Gates
from shared.web.auth import CallerMiddleware, KeyMiddleware, identified
from shared.web.body import BodyMiddleware
from shared.web.conditional import ConditionalMiddleware
from shared.web.early_refusal import EarlyRefusalMiddleware
from shared.web.headers import SecurityHeadersMiddleware
from shared.web.hosts import HostMiddleware, Hosts
from shared.web.keys import KeyRing
from shared.web.methods import MethodMiddleware
from shared.web.metrics import Metrics, MetricsMiddleware
from shared.web.operations import Readiness
from shared.web.origin import OriginMiddleware
from shared.web.peers import Peers
from shared.web.rate_limit import Rate, RateLimitMiddleware
from shared.web.request_id import RequestIdMiddleware
from shared.web.routes import check_routes
from shared.web.running import give_up
from shared.web.scoped import operation_name
from shared.web.trace import TraceMiddleware

_GUARDS = (BodyMiddleware, KeyMiddleware, CallerMiddleware, OriginMiddleware, HostMiddleware)
"""Middleware that every call of the API must have passed, see `guards.py`."""


def create_service(
    name: str,
    description: str,
    settings: ServiceSettings,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    not_ready: Callable[[], str | None],
    open_paths: Iterable[str] = (),
    warning: Callable[[], str | None] = lambda: None,
    asks: Mapping[str, str] = MappingProxyType({}),
    rate: Rate | None = None,
    memory: Budget | None = None,
) -> FastAPI:
    """Create an app with access checks, body limit, request ids, metrics, problems, health and
    `/docs`.

    `not_ready` returns a sentence on why the service can't serve yet, or None; `warning` one on
    what is wrong with a part of it. `asks`: services that it needs, with the work that needs them.
    `rate`: limit of requests per caller. `memory`: budget that work shares with bodies.
    """
    exporter = otel.exporting(name)
    keys = KeyRing(_own_key(settings), settings.api_keys_file)
    app = FastAPI(
        title=f"Image Search Engine: {name}",
        version="1",
        description=description,
        lifespan=_guarded(lifespan, exporter),
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_name,
        # Spans, metrics and logs are our own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    peers = Peers({peer: settings.urls_of(peer) for peer in asks})
    metrics = Metrics(name, not_ready, peers)
    app.state.metrics = metrics
    app.state.keys = keys
    app.state.readiness = Readiness(not_ready, lambda: keys.warning or warning(), peers, asks)
    # Called on shutdown, while requests are still answered.
    app.state.on_stop = []
    problem.install(app)
    docs.install(app)
    openapi.install(app, is_limited=rate is not None)
    app.include_router(operations.router)
    app.state.gates = Gates(
        memory or Budget(settings.memory * MIB, "ISE_MEMORY"),
        Budget(settings.spool * MIB, "ISE_SPOOL", grants=1.0),
    )
    metrics.watch_memory(app.state.gates.memory)
    is_rated = rate is not None and bool(rate.per_second)
    guards = (*_GUARDS, RateLimitMiddleware) if is_rated else _GUARDS
    app.state.guards = frozenset(guard.__name__ for guard in guards)
    app.state.open_paths = frozenset(open_paths)

    # The one added last runs first: refusals before all work, the key before any body.
    app.add_middleware(ConditionalMiddleware)
    app.add_middleware(MethodMiddleware)
    app.add_middleware(KeyMiddleware, open_paths=open_paths)
    if rate is not None and is_rated:
        app.add_middleware(RateLimitMiddleware, rate=rate, free_paths=open_paths)
    app.add_middleware(CallerMiddleware, keys=keys)
    app.add_middleware(OriginMiddleware)
    app.add_middleware(HostMiddleware, hosts=Hosts(settings))
    app.add_middleware(
        BodyMiddleware, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds
    )
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(TraceMiddleware, recorder=exporter)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(
        EarlyRefusalMiddleware,
        metrics=metrics,
        identify=lambda scope: identified(scope, keys),
    )
    return app


def _own_key(settings: ServiceSettings) -> str | None:
    return settings.api_key.get_secret_value() if settings.api_key else None


def _guarded(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    exporter: otel.Exporting | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A start-up that fails with an error of ours ends the process with its sentence."""

    @asynccontextmanager
    async def guarded(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if exporter is not None:
                stack.push_async_callback(anyio.to_thread.run_sync, exporter.close)
            try:
                check_routes(app)
                await stack.enter_async_context(lifespan(app))
            except ISEError as error:
                give_up(app, error)
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                why = error.strerror or error
                give_up(app, Misconfigured(f"{where}{why}. Check ISE_DATA_DIR."))
            yield

    return guarded
