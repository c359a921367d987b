"""The query service as a web application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from prometheus_client import Summary

from services.query import (
    page_files,
    routes_explore,
    routes_images,
    routes_manage,
    routes_search,
    routes_stats,
    routes_uploads,
    routes_why,
)
from services.query.asking import Asking
from services.query.canary import CanaryWatch
from services.query.config import QuerySettings
from services.query.embedders import Embedders
from services.query.features import Features
from services.query.fetching import Fetcher
from services.query.reasons import Reasons
from services.query.search.audit import Audit
from services.query.search.shelf import Shelf
from services.query.uploads import Uploads
from shared.canary import drifted
from shared.clients.transport import AsyncClient
from shared.errors import ISEError
from shared.web.service import create_service

DESCRIPTION = """Ranks clusters by L2, probes the top ones, re-ranks exactly by L2 or cosine, and
says how right its answer is."""


def create_app(
    settings: QuerySettings,
    embedders: Embedders | None = None,
    indexer: AsyncClient | None = None,
    fetcher: Fetcher | None = None,
) -> FastAPI:
    """The app; the clients are for tests that bring connections of their own."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if embedders is None:
        urls = settings.urls_of("embedder")
        embedders = Embedders([AsyncClient(url, key, within=True) for url in urls])
    files = indexer or AsyncClient(settings.url_of("indexer"), key, within=True)
    shelf = Shelf(settings.data_dir)
    canary = CanaryWatch(embedders, shelf)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        audit.start()
        yield
        await anyio.to_thread.run_sync(audit.stop)
        await embedders.close()
        await files.close()

    def not_ready() -> str | None:
        try:
            shelf.current()
        except ISEError as error:
            return error.detail
        return None

    def warning() -> str | None:
        if (damaged := shelf.warning) is not None:
            return damaged
        drift = canary.drift()
        return (
            None if drift is None or drift.served else drifted(drift.model, drift.distance).detail
        )

    app = create_service(
        "query", DESCRIPTION, settings, lifespan, not_ready, page_files.open_paths(), warning
    )
    app.state.settings = settings
    live = Summary(
        "ise_live_recall",
        "Share of the exact answer that a sampled live answer held.",
        registry=app.state.metrics.registry,
    )
    audit = Audit(settings.audit_share, live.observe)
    fetching = fetcher or Fetcher(
        settings.fetch_hosts, settings.max_image_bytes, settings.fetch_seconds
    )
    uploads = Uploads(settings.uploads_bytes, settings.upload_seconds)
    app.state.uploads = uploads
    app.state.asking = Asking(
        shelf,
        lambda: Features(embedders, canary, fetching, files, uploads, settings.max_image_bytes),
        settings.recall_target,
        audit,
    )
    app.state.indexer = files
    app.state.canary = canary
    app.state.reasons = Reasons(app.state.asking, embedders, files)
    app.include_router(routes_search.router)
    # First: the route of an image takes any path, as an id may have slashes in it.
    app.include_router(routes_explore.router)
    app.include_router(routes_why.router)
    app.include_router(routes_images.router)
    app.include_router(routes_manage.router)
    app.include_router(routes_stats.router)
    app.include_router(routes_uploads.router)
    page_files.install(app)
    return app
