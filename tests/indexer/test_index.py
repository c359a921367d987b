"""Builds, and who may run them: embedders, keys, folders, catalogues."""

import io
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
from PIL import Image

from services.indexer.container import Container
from services.indexer.jobs.context import JobContext
from services.indexer.segments.local_space import _spaced
from services.indexer.workflows.index_builder import IndexBuilder
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.embedder import TrainingSettings
from shared.contracts.indexer import BuildSettings, ImagePatch
from shared.contracts.jobs import JobState
from shared.core.errors import Conflict, Misconfigured, Unavailable
from shared.engines.ivf.reader import Postings
from shared.files import durable
from shared.media.identity import content_id
from tests.floats import assert_same
from tests.indexer.training import QUICK, broken_off, current, tagged_folder, train
from tests.ports import free_port

# --- builds -----------------------------------------------------------------------------------


def test_a_build_makes_as_many_clusters_as_asked(service, picture):
    service.add(*[picture(seed) for seed in range(80)])
    for wanted, made in ((80, 80), ("auto", 2), (1, 1)):
        assert service.build(clusters=wanted).result["clusters"] == made
        assert all(service.finds_itself(picture(seed)) for seed in (0, 79))


@pytest.mark.parametrize("rows", ["float32", "float16"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_all_clusters_probed_answer_as_exact_search_does(service, picture, metric, rows):
    service.add(*[picture(seed) for seed in range(40)])
    service.build(clusters=6, metric=metric, rows=rows)
    service.add(*[picture(seed) for seed in range(40, 60)])
    for seed in (0, 50, 99):
        exact = service.found(picture(seed), exact=True, limit=60)
        assert service.found(picture(seed), nprobe=6, limit=60) == exact
        assert len(set(exact)) == 60
    segments = service.data.glob("segments/visual-*.hdf5")
    assert rows in {Postings(path).vectors.dtype.name for path in segments}


def test_more_clusters_than_images_fail_with_a_sentence_and_change_nothing(service, picture):
    service.add(picture(0), picture(1))
    job = service.send(indexer.build_index(BuildSettings(clusters=3)))
    assert service.failed(job) == (
        "3 clusters were asked for, but there are only 2 images to cluster."
    )
    assert service.finds_itself(picture(0))


def test_an_empty_collection_can_be_built(service, picture):
    assert service.build().result["images"] == 0
    first = service.parts.current.manifest()
    durable.write_text(
        service.parts.index.snapshots.path(first.number),
        first.model_copy(update={"created_at": "2001-01-01T00:00:00+00:00"}).model_dump_json(),
    )
    assert service.build(clusters=9).result["images"] == 0
    assert service.parts.current.manifest().created_at > "2020"
    service.add(picture(0))
    assert service.finds_itself(picture(0))


def test_the_same_build_gives_the_same_clusters(service, picture):
    service.add(*[picture(seed) for seed in range(50)])
    centroids = []
    for _ in range(2):
        service.build(clusters=4, seed=3)
        manifest = service.parts.current.manifest()
        centroids.append(Postings(service.data / "segments" / manifest.visual.postings[0].name))
    assert_same(centroids[1].centroids, centroids[0].centroids)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_a_library_would_not_take_is_refused_at_once(service, seed):
    for path, body in (
        ("/v1/index/build", {"seed": seed}),
        ("/v1/matching/train", {"settings": {"seed": seed}}),
    ):
        answer = service.http.post(path, json=body)
        assert answer.status_code == 422
        assert "seed` must be " in answer.json()["detail"]


def test_the_largest_seed_is_taken(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    largest = 2**31 - 1
    assert service.build(seed=largest, clusters=2).result["clusters"] == 2
    asked = QUICK.model_copy(update={"settings": TrainingSettings(epochs=1, seed=largest)})
    service.succeeded(service.send(indexer.train_matching(asked)))


def test_equal_pictures_in_other_formats_break_no_build(service):
    files = []
    for n in range(60):
        buffer = io.BytesIO()
        Image.new("RGB", (20 + n, 20)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    service.add(*files)
    assert service.build(clusters=20).result["clusters"] == 20
    assert len(service.found(files[0], limit=60)) == 60


# --- the matching network ---------------------------------------------------------------------


def test_a_build_tells_how_far_it_is(service, folder_of, monkeypatch):
    told = []
    stage = JobContext.stage

    def noted(job, name):
        told.append(name)
        stage(job, name)

    monkeypatch.setattr(JobContext, "stage", noted)
    monkeypatch.setattr("services.indexer.storage.feature_store._BLOCK", 16)
    monkeypatch.setattr("services.indexer.segments.scratch_vectors._BLOCK", 16)
    service.ingest(tagged_folder(folder_of))
    at = told.index("projecting to the joint space 0 of 24")
    assert told[at + 1] == "projecting to the joint space 16 of 24"
    for name in ("clustering", "clustering the joint space"):
        at = told.index(name)
        assert told[at + 1] == f"{name}, round 1 of 20"
        rounds = sum(f"{name}, round" in stage for stage in told)
        assert told[at + 1 + rounds : at + 5 + rounds] == [
            f"{name}, {doing} {done} of 24"
            for doing in ("assigning", "writing")
            for done in (0, 16)
        ]
    assert _spaced(1_700_000) == "1 700 000"


def test_a_build_that_is_cancelled_ends_before_the_next_round(service, picture, monkeypatch):
    service.add(*[picture(seed) for seed in range(40)])
    before = service.send(indexer.list_snapshots())
    told = []
    stage = JobContext.stage

    def cancelled_at_once(job, name):
        if "round" in name:
            told.append(name)
            service.send(indexer.cancel_job(service.send(indexer.list_jobs()).jobs[0].id))
        stage(job, name)

    monkeypatch.setattr(JobContext, "stage", cancelled_at_once)
    job = service.ended(service.send(indexer.build_index(BuildSettings(clusters=5))))
    assert job.state is JobState.CANCELLED
    assert told == ["clustering, round 1 of 20"]
    assert service.send(indexer.list_snapshots()) == before


@pytest.mark.parametrize("cause", ["other words", "no embedder"])
def test_a_retag_holds_at_once_while_a_job_has_pictures_that_can_not_be_published(
    start, embedder_of_other_words, folder_of, picture, nowhere, monkeypatch, cause
):
    with start() as service:
        service.ingest(tagged_folder(folder_of), build=False)
        train(service)
    retagged, pending = content_id(picture(0)), content_id(picture(1000))
    with start(embedder_of_other_words, embed_attempts=1) as service:
        with monkeypatch.context() as broken, ExitStack() as stack:
            # As while a job is at work: a picture is recorded, and not yet in the index.
            broken.setattr(IndexBuilder, "build", broken_off)
            service.failed(service.start_ingest(folder_of({"new/x.png": 1000}, "more")))
            if cause == "no embedder":
                stack.enter_context(service.embedders(Client(nowhere, within=True)))
            for image_id in (retagged, pending):
                patch = indexer.patch_image(image_id, ImagePatch(tags=["kitten"]))
                assert service.send(patch).tags == ["kitten"]
        assert service.tagged("kitten") == {retagged}
        assert len(service.tagged("dog")) == 11
        train(service)
        assert service.tagged("kitten") == {retagged, pending}
        assert len(service.ask(query.search_term("puppy", limit=100)).hits) == 25


# --- snapshots --------------------------------------------------------------------------------


# --- models that change -----------------------------------------------------------------------


# --- what may be missing ----------------------------------------------------------------------


@pytest.fixture
def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_there_is_no_way_back_to_images_that_were_all_deleted(start, other_embedder, picture):
    with start() as service:
        [item] = service.add(picture(0))
        back = current(service)
        service.send(indexer.delete_image(item.id))
    with start(other_embedder) as service:
        service.add(picture(1))
        with pytest.raises(Conflict, match=f"Every image of snapshot {back} was deleted"):
            service.send(indexer.activate_snapshot(back))
        assert service.finds_itself(picture(1))


def test_without_an_embedder_adding_is_unavailable_and_jobs_fail_with_a_sentence(
    start, nowhere, picture, folder_of, monkeypatch
):
    with start(embed_attempts=1) as service:
        [item] = service.add(picture(0), tags=["dog"])
        with service.embedders(Client(nowhere, within=True)):
            with pytest.raises(Unavailable, match="Start the services with"):
                service.add(picture(1))
            error = service.failed(service.start_ingest(folder_of({"a.png": 1})))
            assert nowhere in error
            assert service.send(indexer.delete_image(item.id)).deleted
        service.add(picture(1))
        assert service.found(picture(1)) == [content_id(picture(1))]


def test_a_key_that_differs_between_services_is_named_and_not_asked_for(
    start, embedder_with, picture, tmp_path
):
    with embedder_with(api_key="another") as guarded, start(guarded) as service:
        for ask in (
            lambda: service.add(picture(0)),
            lambda: service.ask(query.search_image(picture(0))),
        ):
            with pytest.raises(Unavailable, match="ISE_API_KEY differs"):
                ask()


def test_two_indexers_on_one_folder_are_refused_with_a_sentence(service):
    environment = {
        **os.environ,
        "ISE_DATA_DIR": str(service.data),
        "ISE_INDEXER_PORT": str(free_port()),
    }
    second = subprocess.run(
        [sys.executable, "-m", "services.indexer"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode != 0
    assert f"Another indexer is using {service.data}." in second.stdout + second.stderr
    assert service.http.get("/ready").status_code == 200


def test_a_catalogue_older_than_the_index_is_refused_with_a_sentence(start, picture):
    with start() as service:
        service.add(picture(0))
    for path in service.data.glob("catalog.sqlite*"):
        path.unlink()
    parts = Container(service.settings, Client("http://127.0.0.1:1"))
    with pytest.raises(Misconfigured, match="catalogue is older than snapshot 2"):
        parts.start()
    parts.database.close()
    parts._lock.release()


def test_all_is_there_after_a_restart(start, picture):
    with start() as service:
        service.add(picture(0), tags=["dog"])
        [gone] = service.add(picture(1), tags=["dog"])
        service.send(indexer.delete_image(gone.id))
    with start() as service:
        assert service.found(picture(1)) == [content_id(picture(0))]
        assert service.tagged("dog") == {content_id(picture(0))}
