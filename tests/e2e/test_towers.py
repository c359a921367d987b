"""Towers of open_clip through the whole path, from a local folder with random weights."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from shared.clients import embedder, indexer, query
from shared.contracts.answer import Mode
from shared.contracts.embedder import ImageSpace, TermSpace
from shared.contracts.indexer import BuildSettings, TrainMatchingRequest
from shared.contracts.jobs import JobState
from shared.core.errors import FingerprintMismatch
from tests.e2e.engine import Engine, running
from tests.embedder.towers import save_towers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("open_clip") is None, reason="needs open_clip: the extra `clip`"),
]
SENTENCE = "a red house under the moon, by the sea"


def hosting(folder: Path) -> dict[str, str]:
    return {"ISE_MATCHING": f"open_clip:local-dir:{folder}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("towers")


@pytest.fixture(scope="module")
def towers(folder: Path, sample: Path) -> Iterator[Engine]:
    """Services that host small towers and have the drawn collection."""
    env = hosting(save_towers(folder / "first"))
    with running(folder / "data", folder / "logs", **env) as engine:
        engine.ingest(sample, clusters=8)
        yield engine


def test_nothing_is_trained_and_the_joint_space_is_of_the_towers(towers: Engine) -> None:
    hosted = towers.embedder.send(embedder.list_models())
    assert hosted.joint is not None
    assert hosted.networks == [hosted.joint]
    stats = towers.ask(query.get_stats())
    assert stats.images == 160
    assert not list((towers.data_dir / "networks").glob("*/network.safetensors"))
    job = towers.wait(towers.indexer.send(indexer.train_matching(TrainMatchingRequest())))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "ISE_MATCHING" in job.error


def test_a_sentence_finds_images_by_its_meaning(towers: Engine, sample: Path) -> None:
    answer = towers.ask(query.search_term(SENTENCE, limit=1000, exact=True))
    assert answer.mode is Mode.SEMANTIC
    pictures = {path.name: path for path in sample.parent.rglob("*.jpg")}
    files = [pictures[Path(hit.uri or "").name].read_bytes() for hit in answer.hits]
    parts = [files[start : start + 64] for start in range(0, len(files), 64)]
    images = np.concatenate(
        [towers.embedder.send(embedder.embed_images(p, ImageSpace.JOINT)).vectors for p in parts]
    )
    text = towers.embedder.send(embedder.embed_terms([SENTENCE], TermSpace.JOINT)).vectors[0]
    assert len(answer.hits) == 160
    np.testing.assert_allclose([hit.score for hit in answer.hits], images @ text, atol=2e-3)


def test_a_tag_finds_its_images_by_the_tower_of_text(towers: Engine) -> None:
    tag = towers.ask(query.list_tags(limit=1)).tags[0]
    answer = towers.ask(query.search_term(tag.tag, limit=5))
    assert answer.mode is Mode.TAG
    assert all(tag.tag in hit.tags for hit in answer.hits)
    assert answer.model == towers.embedder.send(embedder.list_models()).joint


def test_probabilities_are_fitted_without_a_training(towers: Engine) -> None:
    answer = towers.ask(query.search_term(SENTENCE))
    fitted = [one for one in towers.ask(query.get_stats()).calibration if one.space == "joint"]
    assert fitted
    # Random towers may tell nothing, and then there is no probability.
    told = [hit.probability for hit in answer.hits]
    assert all(one is None or 0 <= one <= 1 for one in told)
    if not any(one.is_telling for one in fitted):
        assert told == [None] * len(told)


def test_a_picture_and_a_sentence_meet_in_one_space(towers: Engine, sample: Path) -> None:
    picture = next(sample.parent.rglob("*.jpg"))
    alone = towers.ask(query.search_image(picture.read_bytes(), limit=1))
    assert alone.hits[0].score >= 0.999
    parts = [{"id": alone.hits[0].id, "weight": 1}, {"term": SENTENCE, "weight": 0.1}]
    mixed = towers.ask(query.search(parts=parts, limit=1))
    assert mixed.mode is Mode.MIXED
    assert mixed.hits[0].id == alone.hits[0].id


@pytest.mark.slow
def test_other_towers_are_refused_until_the_index_is_built_anew(
    folder: Path, sample: Path, tmp_path: Path
) -> None:
    picture = next(sample.parent.rglob("*.jpg")).read_bytes()
    with running(tmp_path / "data", tmp_path, **hosting(save_towers(folder / "a"))) as engine:
        engine.ingest(sample, clusters=8)
        tag = engine.ask(query.list_tags(limit=1)).tags[0].tag
    with running(tmp_path / "data", tmp_path, **hosting(save_towers(folder / "b", 1))) as engine:
        with pytest.raises(FingerprintMismatch, match=r"towers-.*towers-.*ise build"):
            engine.ask(query.search_term(SENTENCE))
        with pytest.raises(FingerprintMismatch, match=r"open_clip-.*open_clip-.*ise build"):
            engine.indexer.send(indexer.add_images([("x.jpg", b"anything")]))
        # What needs no tower goes on.
        assert engine.ask(query.search_term(tag)).mode is Mode.TAG
        assert engine.ask(query.search_image(picture, limit=1)).hits[0].score >= 0.999
        engine.done(engine.indexer.send(indexer.build_index(BuildSettings())))
        assert engine.ask(query.search_term(SENTENCE)).mode is Mode.SEMANTIC
    # And back to word vectors.
    with running(tmp_path / "data", tmp_path) as engine:
        with pytest.raises(FingerprintMismatch, match=r"towers-.*ise build"):
            engine.ask(query.search_term("automobile"))
        engine.done(engine.indexer.send(indexer.build_index(BuildSettings())))
        assert engine.ask(query.search_term("automobile")).mode is Mode.SEMANTIC
