"""The indexer as a web application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import anyio.to_thread
from fastapi import FastAPI

from services.indexer.api import curation, duplicates, features, images, jobs, judgements, snapshots
from services.indexer.config import IndexerSettings
from services.indexer.container import SPOOL_FOLDER, Container
from services.indexer.embedding.registry import Embedders
from services.indexer.metrics import IndexerMetrics
from shared.clients.transport import Client
from shared.snapshots.version import Published
from shared.web.admission import UPLOADS
from shared.web.patience import PatienceMiddleware
from shared.web.places import Places
from shared.web.problems import NO_CATALOGUE, problems
from shared.web.service import create_service
from shared.web.version import VersionMiddleware

DESCRIPTION = """Takes pictures in, stores their features, clusters them into an inverted index on
disk, keeps the tag index, and publishes snapshots that the query service answers from."""


def create_app(settings: IndexerSettings, embedder: Client | None = None) -> FastAPI:
    """The app; `embedder` is for tests that bring a connection of their own."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    clients = [Client(url, key, within=True) for url in settings.urls_of("embedder")]
    embedders = Embedders([embedder] if embedder else clients)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = Container(settings, embedders, app.state.gates.memory)
        app.state.parts = parts
        await anyio.to_thread.run_sync(parts.start)
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(parts.stop)

    def started() -> Container | None:
        found: Container | None = getattr(app.state, "parts", None)
        return found if found is not None and found.is_started else None

    def not_ready() -> str | None:
        found = started()
        return "The indexer is starting." if found is None else found.not_ready()

    def warning() -> str | None:
        found = started()
        return None if found is None else found.warning

    app = create_service(
        "indexer",
        DESCRIPTION,
        settings,
        lifespan,
        not_ready,
        warning=warning,
        asks={"embedder": "Adding pictures"},
    )
    app.state.gates.places[UPLOADS] = Places(settings.uploads_at_once, "uploads", patience_s=inf)
    app.state.gates.folder = str(settings.data_dir / SPOOL_FOLDER)
    app.add_middleware(PatienceMiddleware)
    app.add_middleware(VersionMiddleware, version=Published(settings.data_dir).version)

    def interrupt_jobs() -> None:
        if (found := started()) is not None:
            found.interrupt()

    app.state.on_stop.append(interrupt_jobs)
    app.state.metrics.registry.register(IndexerMetrics(started))
    for routes in (curation, duplicates, judgements, images, features, jobs, snapshots):
        app.include_router(routes.router, responses=problems(NO_CATALOGUE))
    return app
