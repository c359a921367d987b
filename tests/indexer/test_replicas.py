"""Several query services over one data directory: each sees what was acknowledged, at once."""

from contextlib import ExitStack

import pytest

from services.query.app import create_app as query_app
from services.query.config import QuerySettings
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import ImagePatch
from shared.media.identity import content_id
from tests.floats import alike

pytestmark = [pytest.mark.floats, pytest.mark.engine]

REPLICAS = 3


@pytest.fixture
def replicas(service, serving):
    """Clients of query services beside the indexer."""
    settings = QuerySettings(
        _env_file=None,
        data_dir=service.data,
        embedder_url=service.settings.embedder_url,
        indexer_url=service.url,
    )
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(query_app(settings))) for _ in range(REPLICAS)]
        yield [stack.enter_context(Client(url)) for url in urls]


def test_every_replica_sees_what_was_acknowledged(service, replicas, picture):
    def everywhere(call, look):
        found = [look(replica.send(call)) for replica in replicas]
        assert all(one == alike(found[0]) for one in found)
        return found[0]

    def hits(answer):
        return [(hit.id, hit.distance, tuple(hit.tags)) for hit in answer.hits]

    def count():
        return everywhere(query.get_stats(), lambda stats: (stats.images, stats.snapshot))[0]

    assert count() == 0
    for seed in range(6):
        [item] = service.add(picture(seed), tags=["old"])
        first = everywhere(query.search_image(picture(seed), limit=1), hits)
        assert [image_id for image_id, *_ in first] == [item.id]
    service.build(clusters=2)
    assert count() == 6

    gone = content_id(picture(0))
    service.send(indexer.delete_image(gone))
    left = everywhere(query.search_image(picture(0), limit=10), hits)
    assert gone not in {image_id for image_id, *_ in left}
    assert len(left) == 5

    kept = content_id(picture(1))
    service.send(indexer.patch_image(kept, ImagePatch(tags=["new"])))
    assert [i for i, *_ in everywhere(query.search_term("new"), hits)] == [kept]

    before = everywhere(query.search_image(picture(2), limit=10), hits)
    service.succeeded(service.send(indexer.compact_index()))
    assert everywhere(query.search_image(picture(2), limit=10), hits) == alike(before)
    assert count() == 5
