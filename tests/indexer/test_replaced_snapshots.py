"""Reading of a snapshot that is replaced so often meanwhile that files of it may be removed."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.indexer.embedding.client import ModelPair
from services.indexer.publishing.retention import _KEPT_SNAPSHOTS
from services.indexer.segments.store import SegmentStore
from services.indexer.workflows.unembeddable import Unembeddable
from shared.clients import curation, indexer
from shared.contracts.curation import BulkRequest
from shared.contracts.filters import Condition, Filter
from shared.media.identity import content_id


@pytest.fixture
def replaced(
    service: Any, picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """An indexer whose snapshot of two segments is replaced when the first of them is read."""
    intact = SegmentStore.intact
    seeds = iter(range(10, 100))

    def slowly(self: SegmentStore, file: Any) -> Any:
        path = intact(self, file)
        monkeypatch.setattr(SegmentStore, "intact", intact)
        # By others, as this one may be within a transaction.
        others = threading.Thread(target=replace)
        others.start()
        others.join()
        return path

    def replace() -> None:
        for _ in range(_KEPT_SNAPSHOTS + 1):
            service.add(picture(next(seeds)))

    service.add(picture(0), picture(1), picture(2), tags=["dog"])
    service.add(picture(3), tags=["dog"])
    service.parts.index.segments.keep_open([])
    monkeypatch.setattr(SegmentStore, "intact", slowly)
    yield service
    assert next(seeds) > 10, "the snapshot was not replaced"


def test_a_change_by_filter_changes_what_was_published(replaced: Any) -> None:
    wanted = Filter(must=[Condition(tag="dog")])
    done = replaced.send(curation.change_images(BulkRequest(filter=wanted, add_tags=["pet"])))
    assert done.changed == 4


def test_the_health_of_the_index_is_that_of_the_snapshot(replaced: Any) -> None:
    assert replaced.send(indexer.get_index_health()).images == 4


def test_images_that_another_model_lacks_are_those_of_the_snapshot(
    replaced: Any, picture: Callable[..., bytes]
) -> None:
    parts = replaced.parts
    lacking = Unembeddable(parts.images, parts.current, parts.index.segments)
    found = lacking.ids(ModelPair("other", "other"))
    assert found == {content_id(picture(n)) for n in range(4)}
