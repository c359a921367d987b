"""What the three services have in common as web applications."""

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from shared import problem
from shared.errors import Unavailable
from shared.settings import ServiceSettings
from shared.web import docs, logs
from shared.web.auth import KeyMiddleware
from shared.web.body_limit import BodyLimitMiddleware
from shared.web.metrics import Metrics, MetricsMiddleware
from shared.web.request_id import RequestIdMiddleware

S = TypeVar("S", bound=ServiceSettings)


def create_service(
    name: str,
    description: str,
    settings: ServiceSettings,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    not_ready: Callable[[], str | None],
    open_paths: Iterable[str] = (),
) -> FastAPI:
    """An app with key check, body limit, request ids, metrics, problems, health and `/docs`.

    `not_ready` gives a sentence on why the service can't serve yet, or None when it can.
    """
    app = FastAPI(
        title=f"Image Search Engine: {name}",
        version="1",
        description=description,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # Routes are named by their functions, so that generated clients read well.
        generate_unique_id_function=lambda route: route.name,
    )
    metrics = Metrics(name)
    app.state.metrics = metrics
    problem.install(app)
    docs.install(app)
    app.add_api_route("/metrics", metrics.endpoint, include_in_schema=False)

    @app.get("/health", tags=["operations"], summary="Is the process alive?")
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/ready", tags=["operations"], summary="Can it serve?", response_model=None)
    def ready() -> dict[str, str] | JSONResponse:
        reason = not_ready()
        if reason is None:
            return {"status": "ready"}
        return problem.response(Unavailable(reason, retry_after=2), "/ready")

    # Added last runs first: the id is there for all that follows, the key before any body is read.
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes)
    if settings.api_key:
        app.add_middleware(
            KeyMiddleware, key=settings.api_key.get_secret_value(), open_paths=open_paths
        )
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(RequestIdMiddleware)
    return app


def serve(name: str, create_app: Callable[[S], FastAPI], settings: S, port: int) -> None:
    """Runs an app under uvicorn until SIGINT or SIGTERM."""
    logs.configure(name, settings.log_level)
    settings.check_bind()
    logging.getLogger(name).info("listening on http://%s:%d", settings.host, port)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
