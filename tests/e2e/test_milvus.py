"""The running services over Milvus: they go over to it, and answer as before."""

from pathlib import Path

import pytest

from demo.sample import draw_sample
from shared.clients import indexer, query
from shared.contracts.answer import SearchResponse
from shared.contracts.indexer import BuildSettings, ImagePatch
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine
from tests.floats import alike


def told(answer: SearchResponse) -> list[tuple[str, float, list[str]]]:
    return [(hit.id, hit.distance, hit.tags) for hit in answer.hits]


def answers(engine: Engine, image_id: str, tag: str) -> list[list[tuple[str, float, list[str]]]]:
    """What an image, a term, and a filter find, exactly."""
    without = {"must_not": [{"tag": tag}]}
    asked = [
        query.search_id(image_id, exact=True, limit=20),
        query.search_id(image_id, exact=True, metric="l2", rerank="none"),
        query.search_id(image_id, exact=True, filter=without),
        query.search_term(tag, limit=20),
    ]
    return [told(engine.ask(call)) for call in asked]


@pytest.mark.slow
def test_a_build_moves_a_collection_to_milvus_and_every_answer_stays(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("milvus_lite")
    sample = draw_sample(tmp_path / "pictures", count=48, seed=3)
    with start() as engine:
        engine.ingest(sample, clusters=4)
        first = engine.ask(query.get_random_images(limit=1, seed=1)).images[0]
        tag = engine.ask(query.list_tags()).tags[0].tag
        before = answers(engine, first.id, tag)

    monkeypatch.setenv("ISE_ENGINE", "milvus")
    monkeypatch.setenv("ISE_MILVUS_URI", str(tmp_path / "vectors.db"))
    with start() as engine:
        engine.done(engine.indexer.send(indexer.build_index(BuildSettings(clusters=4))))
        local, moved = (Path(engine.data_dir) / "snapshots").glob("*/manifest.json"), None
        moved = max(local).read_text()
        assert '"index_type": "IVF_FLAT"' in moved
        assert answers(engine, first.id, tag) == alike(before)

        # It goes on as a collection does: deletions, retags, additions, another build.
        picture = next(path for path in sorted(sample.parent.glob("*.jpg")))
        gone = engine.ask(query.search_image(picture.read_bytes())).hits[0].id
        engine.indexer.send(indexer.delete_image(gone))
        assert gone not in {
            hit.id for hit in engine.ask(query.search_image(picture.read_bytes(), limit=50)).hits
        }
        added = engine.indexer.send(
            indexer.add_images([(picture.name, picture.read_bytes())], tags=["back"])
        )
        again = added.items[0].id
        back = {"must": [{"tag": "Back"}]}
        found = engine.ask(query.search_image(picture.read_bytes(), filter=back))
        assert [hit.id for hit in found.hits] == [again]
        assert found.hits[0].score >= 0.999
        engine.indexer.send(indexer.patch_image(again, ImagePatch(tags=["elsewhere"])))
        assert not engine.ask(query.search_image(picture.read_bytes(), filter=back)).hits
        after = answers(engine, again, tag)

    with start() as engine:
        assert answers(engine, again, tag) == alike(after)
