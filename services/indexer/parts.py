"""Parts of the indexer that its settings alone determine."""

import asyncio
from collections.abc import Callable

from services.indexer.config import IndexerSettings
from services.indexer.ingest.pipeline import IngestSettings
from services.indexer.reading.reader import TextReader
from services.indexer.replication.snapshot_mirror import Mirror
from services.indexer.sources.allowlist import Roots
from services.indexer.sources.resolver import Resolver
from services.indexer.storage.blob_store import BlobStore, RemoteBlobStore
from services.indexer.storage.image_files import ImageFiles
from shared.core.budget import Budget
from shared.media.fetching import Fetcher
from shared.media.limited.scaler import ScaleLimits, Scaler
from shared.objects.address import Address, store_at
from shared.objects.store import Objects


def resolver_of(settings: IndexerSettings) -> Resolver:
    fetcher = Fetcher(settings.fetch_hosts, settings.max_image_bytes, settings.fetch_seconds)
    return Resolver(
        Objects(settings.s3_endpoint),
        # In an event loop of its own, because threads of jobs have none.
        lambda url: asyncio.run(fetcher.get(url)),
        settings.source_protocols,
        roots_of(settings).of(confined=False),
    )


def reader_of(settings: IndexerSettings) -> TextReader:
    return TextReader(
        settings.ocr_threads, settings.max_pixels, memory_bytes=settings.decoder_bytes
    )


def image_files_of(
    settings: IndexerSettings,
    resolver: Resolver,
    memory: Budget | None,
    is_there: Callable[[str], bool],
) -> ImageFiles:
    return ImageFiles(
        settings.data_dir,
        settings.thumbnail_pixels,
        settings.max_pixels,
        resolver,
        _kept(settings, resolver),
        settings.max_image_bytes,
        Scaler(ScaleLimits(settings.decode_seconds, settings.decoder_bytes), memory),
        settings.max_video_bytes,
        is_there,
    )


def ingest_settings_of(settings: IndexerSettings) -> IngestSettings:
    return IngestSettings(
        settings.embed_batch,
        settings.embed_concurrency,
        settings.max_image_bytes,
        min(IngestSettings.batch_bytes, settings.max_body_bytes),
        settings.source_reads,
        settings.max_video_bytes,
    )


def roots_of(settings: IndexerSettings) -> Roots:
    return Roots.parse(settings.ingest_roots, settings.source_protocols, anywhere=settings.is_local)


def _kept(settings: IndexerSettings, resolver: Resolver) -> BlobStore | None:
    """Open the remote store of uploads and thumbnails, if one is set. Raises Misconfigured."""
    if not settings.images_url:
        return None
    address = Address.of_store(settings.images_url, "ISE_IMAGES_URL", resolver.extra_protocols)
    return RemoteBlobStore(resolver.objects, address)


def mirror_of(settings: IndexerSettings, objects: Objects) -> Mirror | None:
    """Raises Misconfigured."""
    if not settings.snapshots_to:
        return None
    return Mirror(settings.data_dir, objects, store_at(settings.snapshots_to, "ISE_SNAPSHOTS_TO"))
