"""The query service as a web application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import anyio.to_thread
from fastapi import FastAPI

from services.query import page_files
from services.query.answering.archive import Archives
from services.query.answering.features import Features
from services.query.answering.reasons import Reasons
from services.query.answering.service import SearchService
from services.query.answering.term_reader import TermReader
from services.query.answering.uploads import Uploads
from services.query.api import (
    archive,
    browse,
    curation,
    duplicates,
    explore,
    images,
    judgements,
    labels,
    manage,
    search,
    stats,
    tag_audit,
    tags,
    why,
)
from services.query.api import uploads as routes_uploads
from services.query.api.writing import AnswerWriter
from services.query.canary import CanaryWatch
from services.query.config import QuerySettings
from services.query.embedders import Embedders
from services.query.metrics import LeftOutMetric, LiveRecallMetrics, QueryMetrics
from services.query.read_your_writes import Waiting
from services.query.search.audit import Audit
from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.survey import Surveys
from shared.clients.transport import AsyncClient
from shared.core.errors import ISEError
from shared.engines.table import Engines
from shared.media.fetching import Fetcher
from shared.models.canary import drifted
from shared.models.profiles import profile_of
from shared.objects.address import snapshots_from
from shared.objects.store import Objects
from shared.snapshots.follower import Follower
from shared.web.admission import SEARCHES, UPLOADS
from shared.web.patience import PatienceMiddleware
from shared.web.places import Places
from shared.web.rate_limit import Rate
from shared.web.service import create_service

DESCRIPTION = """Ranks clusters by L2, probes the top ones, re-ranks exactly by L2 or cosine, and
says how right its answer is."""

_FILES_AT_ONCE, _FILES_OF_ONE = 256, 64
"""Files that are passed on at once, to all and to one caller: readers take as long as they like."""


def create_app(
    settings: QuerySettings,
    embedders: Embedders | None = None,
    indexer: AsyncClient | None = None,
    fetcher: Fetcher | None = None,
) -> FastAPI:
    """The app; the clients are for tests that bring connections of their own."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    files = indexer or AsyncClient(settings.url_of("indexer"), key, within=True)
    engines = Engines.of(settings)
    shelf = SnapshotReader(settings.data_dir, engines)
    if embedders is None:
        urls = settings.urls_of("embedder")
        embedders = Embedders(
            [AsyncClient(url, key, within=True) for url in urls], lambda: _profile(shelf)
        )
    canary = CanaryWatch(embedders, shelf)

    follower = _follower(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        audit.start()
        if follower is not None:
            await anyio.to_thread.run_sync(follower.start)
        yield
        if follower is not None:
            await anyio.to_thread.run_sync(follower.stop)
        await anyio.to_thread.run_sync(audit.stop)
        await embedders.close()
        await files.close()
        await app.state.uploading.close()
        await app.state.sending.close()
        engines.close()

    def not_ready() -> str | None:
        try:
            collection, _ = shelf.current()
        except ISEError as error:
            return error.detail
        # It would say of everything that it isn't there.
        if follower is not None and collection.manifest.number == 0:
            return follower.warning
        return None

    def warning() -> str | None:
        if (damaged := shelf.warning) is not None:
            return damaged
        drift = canary.drift()
        if drift is not None and not drift.served:
            return drifted(drift.model, drift.distance).detail
        behind = follower.warning if follower is not None else None
        sending: AsyncClient = app.state.sending
        return behind or embedders.away or files.away or sending.away

    app = create_service(
        "query",
        DESCRIPTION,
        settings,
        lifespan,
        not_ready,
        page_files.open_paths(),
        warning,
        asks={
            "embedder": "Search by picture",
            "indexer": "Adding, changing and showing pictures",
        },
        rate=Rate.of(settings.rate_limit, settings.rate_burst),
    )
    app.add_middleware(PatienceMiddleware, seconds=settings.answer_seconds)
    at_once = settings.searches_at_once
    # One batch leaves half of the places to others.
    searches = Places(at_once, "searches", most_each=max(1, at_once // 2))
    app.state.gates.places |= {
        SEARCHES: searches,
        UPLOADS: Places(settings.uploads_at_once, "uploads", patience_s=inf),
    }
    app.state.settings = settings
    registry = app.state.metrics.registry
    registry.register(QueryMetrics(shelf, canary, settings.recall_target))
    audit = Audit(settings.audit_share, LiveRecallMetrics(registry).observe)
    fetching = fetcher or Fetcher(
        settings.fetch_hosts, settings.max_image_bytes, settings.fetch_seconds
    )
    # Kept for as long as the service runs, because uploads stay for longer than a call.
    app.state.gates.memory.grant(settings.kept_bytes)
    uploads = Uploads(settings.kept_bytes, settings.upload_seconds)
    app.state.uploads = uploads
    app.state.asking = SearchService(
        shelf,
        lambda: Features(embedders, canary, fetching, files, uploads, settings.max_image_bytes),
        settings.recall_target,
        audit,
        Waiting(
            shelf,
            searches,
            settings.version_seconds,
            follower.wake if follower else lambda: None,
        ),
        TermReader(embedders),
    )
    app.state.writer = AnswerWriter(LeftOutMetric(registry).observe)
    app.state.indexer = files
    # A pool of its own, so that uploads that arrive slowly hold no connection of other calls.
    app.state.uploading = indexer or AsyncClient(
        settings.url_of("indexer"), key, within=True, connections=settings.uploads_at_once
    )
    app.state.files = Places(_FILES_AT_ONCE, "files", most_of_one=_FILES_OF_ONE)
    app.state.archives = Archives()
    # Another one, as a player that pauses keeps its connection.
    app.state.sending = indexer or AsyncClient(
        settings.url_of("indexer"),
        key,
        within=True,
        connections=_FILES_AT_ONCE + app.state.archives.limit,
    )
    app.state.surveys = Surveys()
    app.state.canary = canary
    app.state.reasons = Reasons(app.state.asking, embedders, files)
    # Routes are tried in their order, and these are asked for most. Not included as a router, as
    # FastAPI looks for a route of one twice.
    app.router.routes[:0] = search.router.routes
    # First: the route of an image takes any path, as an id may have slashes in it.
    app.include_router(browse.router)
    app.include_router(curation.router)
    app.include_router(duplicates.router)
    app.include_router(judgements.router)
    app.include_router(archive.router)
    app.include_router(explore.router)
    app.include_router(labels.router)
    app.include_router(why.router)
    app.include_router(images.router)
    app.include_router(manage.router)
    app.include_router(stats.router)
    app.include_router(tag_audit.router)
    app.include_router(tags.router)
    app.include_router(routes_uploads.router)
    page_files.install(app)
    return app


def _profile(shelf: SnapshotReader) -> str | None:
    """Return the profile whose model made the index that is open, or None."""
    visual = shelf.opened.visual
    return None if visual is None else profile_of(visual.fingerprint)


def _follower(settings: QuerySettings) -> Follower | None:
    """Raises Misconfigured."""
    address = snapshots_from(settings.snapshots_from)
    if address is None:
        return None
    objects = Objects(settings.s3_endpoint)
    return Follower(settings.data_dir, objects, address, settings.follow_seconds)
