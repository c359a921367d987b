"""Transforms and evaluations, over the three real services."""

import re
from pathlib import Path

import pytest

from shared.clients import indexer, query
from shared.contracts.indexer import BuildSettings, TrainMatchingRequest
from shared.evaluation import run
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine


def check_self_match(engine: Engine, data: bytes, image_id: str, width: int) -> None:
    by_id = engine.ask(query.search_id(image_id, limit=3, with_vector=True)).hits[0]
    assert by_id.id == image_id
    assert by_id.score == pytest.approx(1, abs=1e-5)
    assert by_id.vector is not None
    assert len(by_id.vector) == width
    uploaded = engine.ask(query.search_image(data, limit=1)).hits[0]
    assert uploaded.id == image_id
    assert uploaded.score >= 0.999
    stored = engine.ask(query.search_vector(by_id.vector, limit=1)).hits[0]
    assert stored.score == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_a_transform_goes_with_the_snapshot(start: Start, sample: Path) -> None:
    pictures = sorted(sample.parent.rglob("*.jpg"))
    late = pictures[:2]
    with start() as engine:
        engine.ingest(sample, clusters=4)
        for path in late:
            image_id = engine.ask(query.search_image(path.read_bytes(), limit=1)).hits[0].id
            engine.indexer.send(indexer.delete_image(image_id))
        before = engine.ask(query.get_stats())
        for name, width in (("l2", before.dim), ("pca:16", 16)):
            engine.done(engine.indexer.send(indexer.build_index(BuildSettings(transform=name))))
            hit = engine.ask(query.search_image(pictures[9].read_bytes(), limit=1)).hits[0]
            check_self_match(engine, pictures[9].read_bytes(), hit.id, width)
        assert engine.ask(query.get_stats()).dim == before.dim
        # What comes later is transformed alike, and goes on to be when segments are merged.
        added = engine.indexer.send(indexer.add_images([(p.name, p.read_bytes()) for p in late]))
        ids = [item.id for item in added.items]
        for path, image_id in zip(late, ids, strict=True):
            check_self_match(engine, path.read_bytes(), image_id, 16)
        engine.done(engine.indexer.send(indexer.compact_index()))
        for path, image_id in zip(late, ids, strict=True):
            check_self_match(engine, path.read_bytes(), image_id, 16)
        engine.indexer.send(indexer.activate_snapshot(before.snapshot))
        check_self_match(engine, late[0].read_bytes(), ids[0], before.dim or 0)


@pytest.mark.slow
def test_an_evaluation_is_one_page_that_fetches_nothing(
    engine: Engine, sample: Path, tmp_path: Path
) -> None:
    settings = {"default": {}, "rerank=none": {"rerank": "none"}}
    said: list[str] = []
    clients = engine.query, engine.indexer, engine.embedder
    found = run.evaluate(*clients, sample, settings, 12, say=said.append)
    assert found.labelled == found.images == engine.ask(query.get_stats()).images
    assert found.tags is not None
    assert found.curve[-1].recall_at_10 == 1
    default, plain = found.settings
    assert 0 < plain.figures["mAP"].low <= plain.figures["mAP"].mean <= plain.figures["mAP"].high
    assert default.recall_at_10 == plain.recall_at_10
    document, page = run.write(found, engine.indexer, tmp_path / "evaluation")
    text = page.read_text()
    assert text.count("<svg") == 2
    assert text.count("data:image/jpeg") > 12
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)
    again = run.evaluate(*clients, None, {"default": {}}, 12, run.read(document))
    assert again.comparisons[0].queries > 0
    assert set(again.comparisons[0].differences) == set(default.figures)


@pytest.mark.slow
def test_tags_that_were_held_out_of_the_training_are_told_apart(
    start: Start, sample: Path, tmp_path: Path
) -> None:
    held_out = ["Castle", "boat"]
    with start() as engine:
        engine.ingest(sample, clusters=4)
        before = run.evaluate(
            engine.query, engine.indexer, engine.embedder, None, {"default": {}}, 2
        ).tags
        assert before is not None
        assert before.unseen is None
        assert all(one.seen for one in before.terms)
        request = TrainMatchingRequest(hold_out=held_out)
        engine.done(engine.indexer.send(indexer.train_matching(request)))
        clients = engine.query, engine.indexer, engine.embedder
        found = run.evaluate(*clients, None, {"default": {}}, 2)
        assert found.tags is not None
        assert {one.term for one in found.tags.terms if not one.seen} == {"castle", "boat"}
        seen = [one.average_precision for one in found.tags.terms if one.seen]
        assert found.tags.seen is not None
        assert found.tags.unseen is not None
        assert found.tags.seen.mean == pytest.approx(sum(seen) / len(seen))
        # Fewer images to tell it from.
        assert found.tags.unseen_apart is not None
        assert found.tags.unseen_apart.mean > found.tags.unseen.mean
        # What was not learnt is found less well than it was.
        learnt = {one.term: one.average_precision for one in before.terms}
        assert found.tags.unseen.mean < (learnt["castle"] + learnt["boat"]) / 2
        text = run.write(found, engine.indexer, tmp_path / "evaluation")[1].read_text()
        assert re.search(r"Unseen, each with its average precision: boat 0\.\d\d, castle", text)
        unknown = TrainMatchingRequest(hold_out=["unicorn"])
        job = engine.wait(engine.indexer.send(indexer.train_matching(unknown)))
        assert "No image carries the tag 'unicorn'" in (job.error or "")
