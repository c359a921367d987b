"""Reader of the sources that requests name, within the allowed roots."""

from collections.abc import Callable

from services.indexer.sources.allowlist import Roots
from services.indexer.sources.resolver import Resolver
from services.indexer.sources.source import Reading, Source, read_source
from shared.contracts.indexer import IngestRequest


class SourceReader:
    """Reads sources. roots: where they may be."""

    def __init__(self, roots: Roots, resolver: Resolver) -> None:
        self._roots = roots
        self._resolver = resolver

    def read(self, asked: IngestRequest, check: Callable[[], None]) -> Source:
        """Return the files of a source. `check` is called at each step and may raise to end it."""
        roots = self._roots.of(asked.confined)
        reading = Reading(asked.exclude, asked.follow_links, check)
        return read_source(asked.source, asked.tags_from, roots, self._resolver, reading)
