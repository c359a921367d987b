"""`python -m services.indexer.doctor`: whether the indexer can work as it is set up here."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from services.indexer.catalog import schema
from services.indexer.catalog.database import is_shared, version_of
from services.indexer.config import IndexerSettings
from services.indexer.storage import last_backup
from shared.core.errors import Misconfigured
from shared.doctor import folder
from shared.doctor.finding import Finding, ok, problem, warning
from shared.doctor.subprocess_findings import packages, tell

_PACKAGES = ("faiss", "h5py", "numpy", "sqlalchemy", "PIL", "pillow_heif")


def findings(settings: IndexerSettings) -> Iterator[Finding]:
    """Yield findings on packages, the data directory and the catalogue."""
    urls = (settings.images_url, settings.snapshots_to, *settings.ingest_roots)
    far = any(str(url).startswith("s3://") for url in urls)
    yield from packages("indexer", (*_PACKAGES, "s3fs") if far else _PACKAGES)
    yield from folder.findings(settings.data_dir)
    yield from _catalogue(settings)
    for root in settings.ingest_roots:
        if isinstance(root, Path) and not root.is_dir():
            yield warning("settings", f"ISE_INGEST_ROOTS: there is no folder {root}.")
    if settings.ingest_roots and settings.on_loopback:
        yield warning(
            "settings", "ISE_INGEST_ROOTS has no effect while ISE_HOST is loopback: all is allowed."
        )
    if not (settings.on_loopback or settings.ingest_roots):
        yield warning("settings", "Off loopback nothing can be ingested: set ISE_INGEST_ROOTS.")
    try:
        settings.check_bind()
    except Misconfigured as error:
        yield problem("settings", error.detail)


def _catalogue(settings: IndexerSettings) -> Iterator[Finding]:
    try:
        url = settings.catalog_url
        if not is_shared(url) and not Path(make_url(url).database or "").exists():
            yield ok("catalogue", "There is none yet; the indexer makes it.")
            return
        version = version_of(url)
    except Misconfigured as error:
        yield problem("catalogue", error.detail)
        return
    if version is None:
        yield ok("catalogue", "It can be read, and has no tables yet; the indexer makes them.")
    elif version > schema.VERSION:
        yield problem(
            "catalogue",
            f"It has version {version}, this program knows {schema.VERSION}. Use the newer one.",
        )
    elif version < schema.VERSION:
        yield warning(
            "catalogue",
            f"It has version {version}; the next start brings it to {schema.VERSION}. Take a "
            "backup first (`ise backup`).",
        )
    else:
        yield ok("catalogue", f"It can be read, and has version {version}.")
    if not last_backup.when(settings.data_dir):
        yield warning("backup", "There was no backup yet: `ise backup FOLDER`.")


if __name__ == "__main__":
    tell(IndexerSettings, findings)
