"""The indexer as a web application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI

from services.indexer import routes_features, routes_images, routes_jobs, routes_snapshots
from services.indexer.config import IndexerSettings
from services.indexer.embedders import Embedders
from services.indexer.parts import Parts
from shared.clients.transport import Client
from shared.web.service import create_service

DESCRIPTION = """Takes pictures in, stores their features, clusters them into an inverted index on
disk, keeps the tag index, and publishes snapshots that the query service answers from."""


def create_app(settings: IndexerSettings, embedder: Client | None = None) -> FastAPI:
    """The app; `embedder` is for tests that bring a connection of their own."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    clients = [Client(url, key, within=True) for url in settings.urls_of("embedder")]
    embedders = Embedders([embedder] if embedder else clients)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = Parts(settings, embedders)
        app.state.parts = parts
        await anyio.to_thread.run_sync(parts.start)
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(parts.stop)

    def not_ready() -> str | None:
        found: Parts | None = getattr(app.state, "parts", None)
        return "The indexer is starting." if found is None else found.not_ready()

    app = create_service("indexer", DESCRIPTION, settings, lifespan, not_ready)
    app.include_router(routes_images.router)
    app.include_router(routes_features.router)
    app.include_router(routes_jobs.router)
    app.include_router(routes_snapshots.router)
    return app
