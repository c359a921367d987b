"""What the three services have in common as web applications."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from shared import problem
from shared.errors import ISEError, Misconfigured, Unavailable
from shared.settings import ServiceSettings
from shared.web import docs, openapi
from shared.web.auth import KeyMiddleware
from shared.web.body_limit import BodyLimitMiddleware
from shared.web.metrics import Metrics, MetricsMiddleware
from shared.web.origin import OriginMiddleware
from shared.web.problems import STARTING, Responses, problems
from shared.web.request_id import RequestIdMiddleware
from shared.web.running import give_up


def create_service(
    name: str,
    description: str,
    settings: ServiceSettings,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    not_ready: Callable[[], str | None],
    open_paths: Iterable[str] = (),
    warning: Callable[[], str | None] = lambda: None,
) -> FastAPI:
    """An app with key check, body limit, request ids, metrics, problems, health and `/docs`.

    `not_ready` gives a sentence on why the service can't serve yet, or None when it can; `warning`
    one on what is wrong with a part of it.
    """
    app = FastAPI(
        title=f"Image Search Engine: {name}",
        version="1",
        description=description,
        lifespan=_guarded(lifespan),
        docs_url=None,
        redoc_url=None,
        # Routes are named by their functions, so that generated clients read well.
        generate_unique_id_function=lambda route: route.name,
    )
    metrics = Metrics(name)
    app.state.metrics = metrics
    problem.install(app)
    docs.install(app)
    openapi.install(app)
    app.add_api_route("/metrics", metrics.endpoint, include_in_schema=False)

    @app.get(
        "/health",
        tags=["operations"],
        summary="Is the process alive?",
        responses=_answer({"status": "alive"}),
    )
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get(
        "/ready",
        tags=["operations"],
        summary="Can it serve?",
        response_model=None,
        responses=_answer({"status": "ready"}) | problems(STARTING),
    )
    def ready() -> dict[str, str] | JSONResponse:
        # Why a process gives up is told once, as its last words.
        gives_up = getattr(app.state, "failure", None) is not None
        reason = "It can't start, and is ending." if gives_up else not_ready()
        if reason is None:
            told = warning()
            return {"status": "ready"} | ({"warning": told} if told else {})
        return problem.response(Unavailable(reason, retry_after=2), "/ready")

    # Added last runs first: the id is there for all that follows, the key before any body is read.
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes)
    if settings.api_key:
        app.add_middleware(
            KeyMiddleware, key=settings.api_key.get_secret_value(), open_paths=open_paths
        )
    app.add_middleware(OriginMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(RequestIdMiddleware)
    return app


def _answer(example: dict[str, str]) -> Responses:
    return {200: {"content": {"application/json": {"example": example}}}}


def _guarded(
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A start-up that fails with an error of ours ends the process with its sentence."""

    @asynccontextmanager
    async def guarded(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(lifespan(app))
            except ISEError as error:
                give_up(app, error)
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                why = error.strerror or error
                give_up(app, Misconfigured(f"{where}{why}. Look at ISE_DATA_DIR."))
            yield

    return guarded
