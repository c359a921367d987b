"""Additions in few files, and their merging: the same answers from one segment."""

import io
import itertools

import pytest
from PIL import Image

from services.indexer.clustering import local_repair
from services.indexer.measuring import recall
from services.indexer.segments.local_engine import LocalSpaces
from services.indexer.workflows import compaction
from shared.clients import indexer, query
from shared.contracts.indexer import ImagePatch
from shared.contracts.jobs import JobKind, JobState
from shared.core.errors import StorageFull
from shared.media.identity import content_id
from tests.floats import assert_same_hits

pytestmark = [pytest.mark.floats, pytest.mark.engine]

SEEDS = range(24)
TAGS = ("dog", "cat", "car")


@pytest.fixture
def built(service, picture):
    """A service over 24 pictures without tags, built."""
    service.add(*(picture(seed) for seed in SEEDS))
    service.build(clusters=4)
    return service


@pytest.fixture
def trained(service, folder_of):
    """A service over 24 pictures in three folders, with a joint space."""
    folder = folder_of({f"{TAGS[n % 3]}/{n}.png": n for n in SEEDS})
    service.ingest(folder, clusters=4)
    return service


def manifest(service):
    return service.parts.current.manifest()


def rows(files):
    return [file.rows for file in files]


def add_one_by_one(service, picture, seeds):
    for seed in seeds:
        service.add(picture(seed), tags=["bird"])


def answers(service, picture, seeds):
    """Every hit of every picture and tag, with its distance."""
    found = {}
    for seed in seeds:
        answer = service.ask(query.search_image(picture(seed), limit=1000, exact=True))
        found[seed] = [(hit.id, hit.distance, hit.tags) for hit in answer.hits]
    for tag in (*TAGS, "bird"):
        found[tag] = service.tagged(tag)
    return found


def compacted(service):
    return service.succeeded(service.send(indexer.compact_index()))


def test_additions_stay_in_few_files_of_falling_size(trained, picture):
    add_one_by_one(trained, picture, range(100, 121))
    for files in (manifest(trained).visual.postings, manifest(trained).joint.postings):
        base, *added = rows(files)
        assert (base, sum(added)) == (24, 21)
        assert all(larger >= 4 * smaller for larger, smaller in itertools.pairwise(added))
        assert len(added) <= 3
    assert sum(rows(manifest(trained).items)) == 45
    assert all(trained.finds_itself(picture(seed)) for seed in range(100, 121))


def test_a_compaction_leaves_one_segment_and_the_same_answers(trained, picture):
    add_one_by_one(trained, picture, range(100, 109))
    for seed in (3, 104):
        trained.send(indexer.delete_image(content_id(picture(seed))))
    seeds = [*SEEDS, *range(100, 109)]
    before = answers(trained, picture, seeds)
    assert len(before["bird"]) == 8

    job = compacted(trained)
    now = manifest(trained)
    assert job.result == {"snapshot": now.number, "images": 31}
    assert rows(now.visual.postings) == rows(now.joint.postings) == [31]
    assert rows(now.items) == [31]
    assert {curve.space for curve in now.visual.recall} == {"visual"}
    assert {curve.space for curve in now.joint.recall} == {"joint"}
    after = answers(trained, picture, seeds)
    assert after.keys() == before.keys()
    for asked, hits in before.items():
        if asked in seeds:
            assert_same_hits(after[asked], hits)
        else:
            assert after[asked] == hits
    trained.add(picture(200))
    assert trained.finds_itself(picture(200))


def test_a_compaction_clusters_drifted_lists_anew_and_loses_nothing(trained, picture, monkeypatch):
    for name, value in {"_LEAST_ROWS": 0, "_NEW_SHARE": 0, "_DRIFT": 0, "_MOST": 1}.items():
        monkeypatch.setattr(local_repair, name, value)
    add_one_by_one(trained, picture, range(100, 109))
    trained.send(indexer.delete_image(content_id(picture(3))))
    seeds = [*SEEDS, *range(100, 109)]
    before = answers(trained, picture, seeds)
    former = manifest(trained).visual

    job = compacted(trained)
    now = manifest(trained).visual
    told = job.result["reclustered"]["visual"]
    assert now.reclustered.model_dump() == told
    assert told["clusters"] == former.clusters == 4
    assert 1 <= told["lists"] <= 4 < now.clusters
    assert (now.built.spread, now.built.imbalance) == (former.built.spread, former.built.imbalance)
    assert now.built.rows / now.clusters == pytest.approx(24 / 4, abs=0.5)
    assert trained.send(indexer.get_index_health()).reclustered == now.reclustered
    after = answers(trained, picture, seeds)
    for asked, hits in before.items():
        if asked in seeds:
            assert_same_hits(after[asked], hits)
        else:
            assert after[asked] == hits
    # What is added goes to the new clusters, and nothing drifted since.
    trained.add(picture(200))
    assert trained.finds_itself(picture(200))
    monkeypatch.undo()
    assert "reclustered" not in compacted(trained).result
    assert manifest(trained).visual.clusters == now.clusters
    assert trained.finds_itself(picture(200))


def test_what_comes_and_goes_during_a_compaction_is_published_with_it(built, picture, monkeypatch):
    built.add(picture(100))
    measure = recall.measure

    def while_busy(*arguments):
        built.add(picture(len(seen) + 300))
        built.send(indexer.delete_image(content_id(picture(len(seen)))))
        assert built.finds_itself(picture(len(seen) + 300))
        seen.append(1)
        return measure(*arguments)

    seen: list[int] = []
    monkeypatch.setattr(recall, "measure", while_busy)
    compacted(built)
    assert len(seen) == 1
    assert all(built.finds_itself(picture(seed)) for seed in (100, 300))
    assert content_id(picture(0)) not in built.found(picture(0), limit=1000)
    assert rows(manifest(built).visual.postings) == [25, 1]


def test_a_roll_back_during_a_compaction_holds(built, picture, monkeypatch):
    first = manifest(built).number
    built.build(clusters=2)
    measure = recall.measure

    def while_busy(*arguments):
        if manifest(built).visual.clusters == 2:
            built.send(indexer.activate_snapshot(first))
        return measure(*arguments)

    monkeypatch.setattr(recall, "measure", while_busy)
    error = built.failed(built.send(indexer.compact_index()))
    assert error.startswith("The index was rebuilt or rolled back while it was compacted.")
    assert manifest(built).visual.clusters == 4
    assert all(built.finds_itself(picture(seed)) for seed in SEEDS)


def test_a_cancelled_compaction_changes_nothing(built, picture, monkeypatch):
    built.add(picture(100))
    number = manifest(built).number
    measure = recall.measure

    def cancelled(*arguments):
        (running,) = [
            j for j in built.send(indexer.list_jobs()).jobs if j.state is JobState.RUNNING
        ]
        built.send(indexer.cancel_job(running.id))
        return measure(*arguments)

    monkeypatch.setattr(recall, "measure", cancelled)
    job = built.ended(built.send(indexer.compact_index()))
    assert job.state is JobState.CANCELLED
    assert manifest(built).number == number
    built.add(picture(101))
    there = {path.name for path in (built.data / "segments").iterdir()}
    snapshots = built.parts.index.snapshots
    assert there == {file.name for found in snapshots.readable() for file in found.files()}


@pytest.mark.parametrize("change", ["additions", "deletions", "retags"])
def test_a_compaction_comes_by_itself_when_it_is_due(built, picture, until, monkeypatch, change):
    monkeypatch.setattr(compaction, "_LEAST", 4)
    ids = [content_id(picture(seed)) for seed in range(5)]
    if change == "additions":
        add_one_by_one(built, picture, range(100, 105))
    elif change == "deletions":
        for image_id in ids:
            built.send(indexer.delete_image(image_id))
    else:
        for image_id in ids:
            built.send(indexer.patch_image(image_id, ImagePatch(tags=["new"])))
    jobs = until(
        lambda: [j for j in built.send(indexer.list_jobs()).jobs if j.kind is JobKind.COMPACT]
    )
    built.succeeded(jobs[0])
    assert len(jobs) == 1
    assert len(manifest(built).visual.postings) == 1
    assert not built.parts._upkeep._compaction.is_due()


def test_a_compaction_that_fails_is_not_tried_again_at_each_addition(
    built, picture, until, monkeypatch
):
    monkeypatch.setattr(compaction, "_LEAST", 1)
    monkeypatch.setattr(LocalSpaces, "compact", lambda *_: 1 / 0)
    add_one_by_one(built, picture, range(100, 106))

    def compactions():
        return [j for j in built.send(indexer.list_jobs()).jobs if j.kind is JobKind.COMPACT]

    until(lambda: compactions() and compactions()[0].state is JobState.FAILED)
    add_one_by_one(built, picture, range(106, 109))
    assert len(compactions()) == 1


@pytest.mark.parametrize("error", [StorageFull("The disk is full."), OSError(28, "No space")])
def test_what_is_published_or_deleted_stands_though_its_upkeep_fails(
    built, picture, monkeypatch, error
):
    def failing(*_):
        raise error

    monkeypatch.setattr(compaction.Compaction, "is_due", failing)
    [item] = built.add(picture(100))
    assert built.finds_itself(picture(100))
    built.send(indexer.delete_image(item.id))
    assert item.id not in built.found(picture(100))


def test_a_segment_is_opened_while_others_are_closed(built):
    segments, [file] = built.parts.index.segments, manifest(built).visual.postings

    class Closing(dict):
        """As where another thread closes files right after this one was opened."""

        def __setitem__(self, name, opened):
            super().__setitem__(name, opened)
            segments.keep_open([])

    segments._opened = Closing()
    assert segments.open(file).rows == file.rows


def test_an_empty_collection_is_compacted_to_nothing(service):
    assert compacted(service).result == {"snapshot": 1, "images": 0}
    found = service.send(indexer.get_index_health())
    assert (found.snapshot, found.images, found.advice) == (1, 0, None)


def test_a_compaction_whose_recall_cannot_be_measured_merges_all_the_same(
    built, picture, monkeypatch
):
    add_one_by_one(built, picture, range(100, 104))
    monkeypatch.setattr(recall, "measure", lambda *_: 1 / 0)
    job = compacted(built)
    assert [one["step"] for one in job.result["skipped_steps"]] == ["recall"]
    assert len(manifest(built).visual.postings) == 1
    assert built.finds_itself(picture(103))


def test_health_tells_what_was_added_and_deleted(built, picture):
    add_one_by_one(built, picture, range(100, 106))
    for seed in range(3):
        built.send(indexer.delete_image(content_id(picture(seed))))
    found = built.send(indexer.get_index_health())
    assert (found.images, found.clusters, found.advice) == (27, 4, None)
    assert found.additions == pytest.approx(6 / 30)
    assert found.deleted == pytest.approx(3 / 30)
    assert found.growth == pytest.approx(27 / 24)
    assert found.segments == len(manifest(built).visual.postings)
    compacted(built)
    found = built.send(indexer.get_index_health())
    assert (found.additions, found.deleted, found.segments) == (0, 0, 1)
    assert found.growth == pytest.approx(27 / 24)


def test_a_rebuild_is_advised_where_images_lie_far_from_every_centre(built, picture):
    before = built.send(indexer.get_index_health())
    assert before.drift == pytest.approx(1, abs=0.05)
    # Without colour, unlike all that the centres were made from.
    add_one_by_one(built, grey_of(picture), range(100, 112))
    found = built.send(indexer.get_index_health())
    assert found.drift > before.drift
    assert "A rebuild is due: `ise build`." in found.advice
    built.build(clusters=4)
    assert built.send(indexer.get_index_health()).drift == pytest.approx(1, abs=0.05)


def test_a_collection_whose_images_were_all_deleted_is_not_compacted_again_and_again(
    built, picture, monkeypatch
):
    monkeypatch.setattr(compaction, "_LEAST", 2)
    for seed in SEEDS:
        built.send(indexer.delete_image(content_id(picture(seed))))
    assert not compaction.Compaction(
        built.parts.index, built.parts.current, built.parts.publisher
    ).is_due()
    built.add(picture(500))
    assert built.finds_itself(picture(500))


def grey_of(picture):
    def draw(seed):
        grey = Image.open(io.BytesIO(picture(seed))).convert("L").point(lambda v: 255 * (v > 128))
        buffer = io.BytesIO()
        grey.save(buffer, "PNG")
        return buffer.getvalue()

    return draw
