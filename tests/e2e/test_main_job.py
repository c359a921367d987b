"""A folder of tagged pictures goes in, both kinds of search come out."""

import csv
from pathlib import Path

import pytest

from shared.clients import indexer, query
from shared.contracts.answer import Mode
from shared.contracts.indexer import BuildSettings, ImagePatch
from shared.contracts.query import Metric
from shared.core.errors import BadImage, InvalidInput, NotFound, UnknownTerm
from tests.e2e.conftest import Start
from tests.e2e.engine import Engine
from tests.floats import assert_same_hits


@pytest.fixture(scope="module")
def pictures(sample: Path) -> dict[Path, set[str]]:
    """Each picture of the sample with its tags."""
    with sample.open(encoding="utf-8", newline="") as file:
        return {
            sample.parent / row["path"]: set(row["tags"].split(";")) for row in csv.DictReader(file)
        }


def test_every_indexed_picture_is_its_own_first_hit(
    engine: Engine, pictures: dict[Path, set[str]]
) -> None:
    for path, tags in list(pictures.items())[::4]:
        answer = engine.ask(query.search_image(path.read_bytes(), limit=3))
        assert answer.mode is Mode.IMAGE
        assert answer.hits[0].uri.endswith(path.name)
        assert answer.hits[0].score >= 0.999
        assert set(answer.hits[0].tags) == tags


def test_by_id_the_cosine_is_one(engine: Engine) -> None:
    some = engine.ask(query.search_term("tree", limit=5)).hits
    for hit in some:
        first = engine.ask(query.search_id(hit.id, limit=1)).hits[0]
        assert first.id == hit.id
        assert first.score == pytest.approx(1, abs=1e-5)


def test_a_tag_finds_all_pictures_that_carry_it_and_no_other(
    engine: Engine, pictures: dict[Path, set[str]]
) -> None:
    tags = engine.ask(query.list_tags(limit=1000)).tags
    assert {found.tag for found in tags} == set().union(*pictures.values())
    for found in tags:
        answer = engine.ask(query.search_term(found.tag.upper(), limit=1000))
        carriers = {path.name for path, carried in pictures.items() if found.tag in carried}
        assert answer.mode is Mode.TAG
        assert {Path(hit.uri).name for hit in answer.hits} == carriers
        assert found.count == len(carriers)
        scores = [hit.score for hit in answer.hits]
        assert scores == sorted(scores, reverse=True)


def test_a_term_that_no_picture_carries_searches_by_meaning(engine: Engine) -> None:
    answer = engine.ask(query.search_term("automobile", limit=5))
    assert answer.mode is Mode.SEMANTIC
    assert len(answer.hits) == 5
    assert answer.model is not None
    assert answer.model.startswith("match-")


def test_an_unknown_term_is_refused_with_a_sentence(engine: Engine) -> None:
    with pytest.raises(UnknownTerm, match="qqzzxx"):
        engine.ask(query.search_term("qqzzxx"))


@pytest.mark.parametrize("metric", list(Metric))
def test_all_clusters_probed_answers_as_exact(engine: Engine, metric: Metric) -> None:
    clusters = engine.ask(query.get_stats()).clusters
    for hit in engine.ask(query.search_term("tree", limit=10)).hits:
        probed = engine.ask(query.search_id(hit.id, limit=50, nprobe=clusters, metric=metric))
        exact = engine.ask(query.search_id(hit.id, limit=50, exact=True, metric=metric))
        assert_same_hits(probed.hits, exact.hits)
        assert probed.recall == exact.recall


def test_pages_follow_each_other(engine: Engine, pictures: dict[Path, set[str]]) -> None:
    data = next(iter(pictures)).read_bytes()
    whole = engine.ask(query.search_image(data, limit=30, exact=True)).hits
    pages = [
        engine.ask(query.search_image(data, limit=10, offset=start, exact=True)).hits
        for start in (0, 10, 20)
    ]
    assert [hit.id for page in pages for hit in page] == [hit.id for hit in whole]


def test_the_answer_tells_the_recall_to_expect(engine: Engine) -> None:
    hit = engine.ask(query.search_term("tree", limit=1)).hits[0]
    answer = engine.ask(query.search_id(hit.id, recall_target=0.9))
    assert answer.recall.target == 0.9
    assert answer.recall.expected is not None
    assert answer.recall.expected >= 0.9
    few = engine.ask(query.search_id(hit.id, nprobe=1)).recall
    assert few.expected is not None
    assert few.expected < answer.recall.expected
    assert few.scanned_fraction < answer.recall.scanned_fraction


def test_a_broken_upload_is_refused_with_a_reason(engine: Engine) -> None:
    with pytest.raises(BadImage, match="Not an image"):
        engine.ask(query.search_image(b"no picture"))


def test_a_field_that_is_not_known_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="nprobes"):
        engine.ask(query.search_term("tree", nprobes=3))


def test_a_second_ingest_embeds_nothing(engine: Engine, sample: Path) -> None:
    job = engine.ingest(sample, build=False)
    assert job.result is not None
    assert job.result["embedded"] == 0
    assert job.progress.done == job.progress.total == job.result["files"]


def test_an_upload_lives_from_acknowledged_to_deleted(engine: Engine, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "grey.png"
    Image.linear_gradient("L").save(path)
    data = path.read_bytes()
    added = engine.indexer.send(indexer.add_images([("../../grey.png", data)], ["Grey_Scale"]))
    image_id = added.items[0].id
    assert image_id is not None
    first = engine.ask(query.search_image(data, limit=1)).hits[0]
    assert (first.id, first.uri, first.tags) == (image_id, "grey.png", ["Grey_Scale"])
    assert engine.ask(query.search_term("grey_scale")).hits[0].id == image_id

    engine.indexer.send(indexer.patch_image(image_id, ImagePatch(tags=["ramp"])))
    assert engine.ask(query.search_term("ramp")).hits[0].id == image_id
    assert engine.ask(query.get_image(image_id)).tags == ["ramp"]

    engine.indexer.send(indexer.delete_image(image_id))
    with pytest.raises(NotFound):
        engine.ask(query.search_id(image_id))
    assert image_id not in {h.id for h in engine.ask(query.search_image(data, limit=100)).hits}


def test_files_and_thumbnails_come_by_id(engine: Engine, pictures: dict[Path, set[str]]) -> None:
    path = next(iter(pictures))
    image_id = engine.ask(query.search_image(path.read_bytes(), limit=1)).hits[0].id
    assert engine.query.send(indexer.get_image_file(image_id))[0] == path.read_bytes()
    thumbnail, media_type = engine.query.send(indexer.get_thumbnail(image_id))
    assert media_type == "image/jpeg"
    assert thumbnail.startswith(b"\xff\xd8")


@pytest.mark.slow
def test_a_restart_keeps_everything(start: Start, sample: Path) -> None:
    with start() as engine:
        engine.ingest(sample)
        before = engine.ask(query.search_term("tree", limit=100))
    with start() as engine:
        after = engine.ask(query.search_term("tree", limit=100))
    assert_same_hits(after.hits, before.hits)
    assert after.snapshot == before.snapshot


@pytest.mark.slow
def test_no_search_fails_while_snapshots_change(engine: Engine) -> None:
    image_id = engine.ask(query.search_term("tree", limit=1)).hits[0].id
    for clusters in (4, 8):
        before = engine.ask(query.get_stats()).snapshot
        job = engine.indexer.send(indexer.build_index(BuildSettings(clusters=clusters)))
        while not engine.indexer.send(indexer.get_job(job.id)).state.ended:
            answer = engine.ask(query.search_id(image_id, limit=5, exact=True))
            assert answer.hits[0].id == image_id
            assert len(answer.hits) == 5
        engine.done(job)
        assert engine.ask(query.search_id(image_id, limit=5)).snapshot != before
        assert engine.ask(query.get_stats()).clusters == clusters
