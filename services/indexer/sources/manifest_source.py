"""The files that a manifest names."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from services.indexer.sources import manifest
from services.indexer.sources.allowlist import Root, check_allowed, local_roots
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source_file import SourceFile, reason
from services.indexer.sources.source_list import Reading, Source
from shared.core.errors import Forbidden, InvalidInput
from shared.objects.address import Address
from shared.objects.file import FarFile, File, LocalFile
from shared.objects.local_path import readable
from shared.objects.opening import open_file, outside

# Limit for manifests that are read whole: from the web, a store or an archive.
_MOST_OF_A_MANIFEST = 2**28


def read_rows(
    source: Address,
    with_tags: bool,
    roots: Sequence[Root] | None,
    resolver: Resolver,
    reading: Reading,
) -> Source:
    """The files that a manifest names. Raises InvalidInput where it can't be read."""
    found = Source(source, is_manifest=True)
    try:
        with _opened(source, roots, resolver) as file:
            for row in manifest.read_manifest(file, source.name, reading.check):
                found.append(_named(source, row, with_tags, roots, resolver))
                found.is_whole &= row.path is not None
    except OSError as error:
        raise InvalidInput(f"{source} can't be read: {reason(error)}.") from None
    return found


def _opened(
    source: Address, roots: Sequence[Root] | None, resolver: Resolver
) -> AbstractContextManager[BinaryIO]:
    """A manifest's bytes. One of this machine is read piece by piece. Raises OSError."""
    if source.is_local:
        return open_file(Path(source.path), local_roots(roots))
    return io.BytesIO(resolver.file(source).read(_MOST_OF_A_MANIFEST))


def _named(
    source: Address,
    row: manifest.Row,
    with_tags: bool,
    roots: Sequence[Root] | None,
    resolver: Resolver,
) -> SourceFile:
    """The file that a row names; one that can't be used has an `error`, which names the line."""
    where = f"{source.name}, line {row.number}"
    file: File = LocalFile(Path(f"/{where}"))
    uri = where
    error = row.error
    try:
        if row.path is not None:
            address, given = _meant(source, row, resolver)
            uri = _uri(given, address)
            # Check before opening it, because opening reads an archive.
            file = _refused(address)
            check_allowed(address, roots)
            file = resolver.file(address)
    except (Forbidden, InvalidInput) as refused:
        error = error or refused.detail
    if error is not None:
        return SourceFile(file, uri, error=f"Line {row.number}: {error}", row=where)
    return SourceFile(file, uri, row.tags if with_tags else (), row.metadata, row=where)


def _refused(address: Address) -> File:
    """Return a file that is named but not read; its state in the catalogue is kept."""
    if address.is_local:
        return LocalFile(Path(address.path), ())

    def fetch(_: int) -> bytes:
        raise outside(address)

    return FarFile(str(address), fetch)


def _meant(source: Address, row: manifest.Row, resolver: Resolver) -> tuple[Address, str]:
    """Resolve a row's path. Where it isn't UTF-8: its bytes, if there is such a file."""
    given = row.path or ""
    if row.raw_path is not None and source.is_local:
        address = source.beside(row.raw_path, resolver.extra_protocols)
        with suppress(OSError):
            if address.is_local and Path(address.path).exists():
                return address, row.raw_path
    return source.beside(given, resolver.extra_protocols), given


def _uri(given: str, address: Address) -> str:
    """Return a path as given; for a URL the part after the protocol, without the query."""
    text = address.path.partition("?")[0] if "://" in given else given
    return readable(Path(text).as_posix().lstrip("/"))
