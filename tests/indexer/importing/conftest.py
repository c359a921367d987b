"""Imports into a real indexer."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shared.clients import indexer
from shared.importing.importer import Importer, Outcome, Plan, plan
from shared.importing.journal import Journal
from shared.media.identity import content_id


@pytest.fixture
def import_all(service, tmp_path: Path) -> Callable[..., tuple[Plan, Outcome]]:
    """Import a library, as the command does; again with the same journal."""

    def run(library) -> tuple[Plan, Outcome]:
        journal = Journal(tmp_path / "journal.jsonl")
        told: list[int] = []
        with closing(library):
            planned = plan(library.assets(), journal)
            with journal:
                outcome = Importer(service.client, journal, library.kind, told.append).run(planned)
        assert sum(told) == len(planned.new) + len(planned.changed)
        return planned, outcome

    return run


@pytest.fixture
def image(service) -> Callable:
    """Return what the collection knows of a picture."""
    return lambda data: service.send(indexer.get_image(content_id(data)))
