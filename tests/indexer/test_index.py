"""Builds, the matching network, snapshots, models that change, and who may run."""

import io
import json
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from services.indexer.builder import Builder, _spaced
from services.indexer.job_context import JobContext
from services.indexer.parts import Parts
from shared import durable
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.embedder import TrainingSettings
from shared.contracts.indexer import BuildSettings, ImagePatch, TrainMatchingRequest
from shared.contracts.jobs import JobState
from shared.contracts.query import Metric
from shared.errors import (
    Conflict,
    FingerprintMismatch,
    InvalidInput,
    Misconfigured,
    NotFound,
    Unavailable,
)
from shared.identity import content_id
from shared.ivf.reader import Postings

OTHER = TrainMatchingRequest(settings=TrainingSettings(epochs=2, batch_size=8, hidden=24))
QUICK = TrainMatchingRequest(settings=TrainingSettings(epochs=2, batch_size=8, hidden=16))


def tagged_folder(folder_of, count: int = 24):
    return folder_of({f"{['dog', 'car'][n % 2]}/{n}.png": n for n in range(count)})


def broken_off(*_, **__):
    raise InvalidInput("broken off")


def train(service):
    return service.succeeded(service.send(indexer.train_matching(QUICK)))


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
    job = service.send(indexer.build(BuildSettings(clusters=3)))
    assert service.failed(job) == (
        "3 clusters were asked for, but there are only 2 images to cluster."
    )
    assert service.finds_itself(picture(0))


def test_an_empty_collection_can_be_built(service, picture):
    assert service.build().result["images"] == 0
    first = service.parts.publisher.current()
    durable.write_text(
        service.parts.publisher.snapshots.path(first.number),
        first.model_copy(update={"created_at": "2001-01-01T00:00:00+00:00"}).model_dump_json(),
    )
    assert service.build(clusters=9).result["images"] == 0
    assert service.parts.publisher.current().created_at > "2020"
    service.add(picture(0))
    assert service.finds_itself(picture(0))


def test_the_same_build_gives_the_same_clusters(service, picture):
    service.add(*[picture(seed) for seed in range(50)])
    centroids = []
    for _ in range(2):
        service.build(clusters=4, seed=3)
        manifest = service.parts.publisher.current()
        centroids.append(Postings(service.data / "segments" / manifest.visual.postings[0].name))
    assert np.array_equal(centroids[0].centroids, centroids[1].centroids)


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


def test_training_brings_search_by_meaning_and_no_files_stay_behind(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    result = train(service).result
    assert result["report"]["terms"] == 2
    answer = service.ask(query.search_term("puppy"))
    assert answer.mode == "semantic"
    assert len(answer.hits) == 10
    assert len(service.tagged("dog")) == 12
    assert list((service.data / "training").iterdir()) == []
    assert (service.data / "networks" / "CURRENT").read_text() == result["network"]


def test_a_build_keeps_the_network_that_is_there(service, folder_of):
    root = tagged_folder(folder_of)
    service.ingest(root, build=False)
    network = train(service).result["network"]
    assert service.build().result["network"] == network
    assert service.ingest(root).result["network"] == network
    assert service.ask(query.search_term("puppy")).mode == "semantic"


def test_hits_by_meaning_tell_how_likely_they_match(service, folder_of):
    words = [
        "dog",
        "car",
        "tree",
        "house",
        "horse",
        "boat",
        "bird",
        "chair",
        "flower",
        "train",
        "cat",
        "bridge",
    ]
    service.ingest(folder_of({f"{words[n % 12]}/{n}.png": n for n in range(48)}), build=False)
    settings = QUICK.settings.model_copy(update={"holdout": 0.5})
    request = TrainMatchingRequest(settings=settings)
    report = service.succeeded(service.send(indexer.train_matching(request))).result["report"]
    assert [one["metric"] for one in report["calibration"]] == list(Metric)

    def chances(metric):
        hits = service.ask(query.search_term("puppy", limit=48, metric=metric)).hits
        return [hit.probability for hit in hits]

    before = {metric: chances(metric) for metric in Metric}
    for found in before.values():
        assert found == sorted(found, reverse=True)
        assert all(0 < chance < 1 for chance in found)
    # A build keeps the network, and what its scores mean.
    service.build(clusters=3)
    assert {metric: chances(metric) for metric in Metric} == before
    assert {hit.probability for hit in service.ask(query.search_term("dog")).hits} == {1}


def test_too_few_held_out_images_give_no_chance(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    assert train(service).result["report"]["calibration"] == []
    assert {hit.probability for hit in service.ask(query.search_term("puppy")).hits} == {None}


def test_a_report_of_before_gives_no_chance(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    network = train(service).result["network"]
    path = service.data / "networks" / network / "report.json"
    report = json.loads(path.read_text())
    for later in ("loss", "hard_negatives", "best_epoch", "calibration"):
        del report[later]
    path.write_text(json.dumps(report))
    assert service.build().result["network"] == network
    path.unlink()
    assert service.build().result["network"] == network


def test_images_and_tags_added_after_training_are_in_the_joint_space(service, folder_of, picture):
    service.ingest(tagged_folder(folder_of), build=False)
    train(service)
    [item] = service.add(picture(500), tags=["cat", "xqzzt"])
    assert service.tagged("cat") == service.tagged("xqzzt") == {item.id}
    hits = service.ask(query.search_term("puppy", limit=100)).hits
    assert len(hits) == 25


def test_training_without_tags_fails_with_a_sentence(service, picture):
    assert "No image has a tag" in service.failed(service.send(indexer.train_matching(QUICK)))
    service.add(picture(0))
    assert "No image has a tag" in service.failed(service.send(indexer.train_matching(QUICK)))
    service.add(picture(0), tags=["xqzzt"])
    assert "word vector" in service.failed(service.send(indexer.train_matching(QUICK)))
    assert list((service.data / "training").iterdir()) == []


def test_one_tagged_image_is_enough_to_train(service, picture):
    service.add(picture(0), tags=["dog"])
    train(service)
    assert service.tagged("dog") == {content_id(picture(0))}


def test_a_damaged_network_is_trained_anew_by_the_next_build(service, folder_of):
    service.ingest(tagged_folder(folder_of), build=False)
    networks = service.data / "networks"
    (networks / "match-0").mkdir(parents=True)
    (networks / "match-0" / "network.safetensors").write_bytes(b"broken")
    (networks / "CURRENT").write_text("match-0")
    assert service.build().result["report"] is not None
    assert len(service.tagged("dog")) == 12


def test_a_build_tells_how_far_it_is(service, folder_of, monkeypatch):
    told = []
    stage = JobContext.stage

    def noted(job, name):
        told.append(name)
        stage(job, name)

    monkeypatch.setattr(JobContext, "stage", noted)
    monkeypatch.setattr("services.indexer.features._BLOCK", 16)
    monkeypatch.setattr("services.indexer.scratch._BLOCK", 16)
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
    before = service.send(indexer.snapshots())
    told = []
    stage = JobContext.stage

    def cancelled_at_once(job, name):
        if "round" in name:
            told.append(name)
            service.send(indexer.cancel(service.send(indexer.jobs()).jobs[0].id))
        stage(job, name)

    monkeypatch.setattr(JobContext, "stage", cancelled_at_once)
    job = service.ended(service.send(indexer.build(BuildSettings(clusters=5))))
    assert job.state is JobState.CANCELLED
    assert told == ["clustering, round 1 of 20"]
    assert service.send(indexer.snapshots()) == before


def test_a_network_is_in_use_once_its_snapshot_is_published(service, folder_of, monkeypatch):
    def in_use() -> str:
        return (service.data / "networks" / "CURRENT").read_text()

    service.ingest(tagged_folder(folder_of), build=False)
    first = train(service).result["network"]
    before = current(service)
    with monkeypatch.context() as broken:
        broken.setattr(Builder, "rebuild_joint", broken_off)
        service.failed(service.send(indexer.train_matching(OTHER)))
        assert in_use() == first
    second = service.succeeded(service.send(indexer.train_matching(OTHER))).result["network"]
    assert in_use() == second != first
    service.send(indexer.activate(before))
    assert in_use() == first
    assert service.build().result["network"] == first
    (service.data / "networks" / "CURRENT").write_text(second)
    assert service.build().result["network"] == in_use() == first


def test_other_words_refuse_pictures_before_anything_is_kept_and_a_training_is_the_way_out(
    start, embedder_of_other_words, folder_of, picture, monkeypatch
):
    more = folder_of({"x.png": 1000}, "more")
    with start(embedder_of_other_words) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        network = train(service).result["network"]
    with start() as service:
        with pytest.raises(FingerprintMismatch, match="ise train-matching") as caught:
            service.add(picture(1000), tags=["new"])
        assert caught.value.extra["index"] == network
        assert caught.value.extra["embedder"].startswith("words-")
        assert network in service.failed(service.start_ingest(more, build=False))
        assert service.send(indexer.stats()).images == 24
        service.send(indexer.patch_image(content_id(picture(0)), ImagePatch(tags=["kitten"])))
        assert service.tagged("kitten") == {content_id(picture(0))}
        with monkeypatch.context() as broken:
            # It records a picture that can't be published with the network there is.
            broken.setattr(Builder, "build", broken_off)
            service.failed(service.start_ingest(more))
        assert train(service).result["network"] != network
        assert service.finds_itself(picture(1000))
        service.add(picture(1001), tags=["cat"])
        hits = service.ask(query.search_term("puppy", limit=100))
        assert (hits.mode, len(hits.hits)) == ("semantic", 26)


@pytest.mark.parametrize("cause", ["other words", "no embedder"])
def test_a_retag_holds_at_once_while_a_job_has_pictures_that_can_not_be_published(
    start, embedder_of_other_words, folder_of, picture, nowhere, monkeypatch, cause
):
    with start() as service:
        service.ingest(tagged_folder(folder_of), build=False)
        train(service)
    retagged, pending = content_id(picture(0)), content_id(picture(1000))
    with start(embedder_of_other_words, embed_attempts=1) as service:
        with monkeypatch.context() as broken:
            # As while a job is at work: a picture is recorded, and not yet in the index.
            broken.setattr(Builder, "build", broken_off)
            service.failed(service.start_ingest(folder_of({"new/x.png": 1000}, "more")))
            if cause == "no embedder":
                broken.setattr(service.parts._embedders.clients[0], "base_url", nowhere)
            for image_id in (retagged, pending):
                patch = indexer.patch_image(image_id, ImagePatch(tags=["kitten"]))
                assert service.send(patch).tags == ["kitten"]
        assert service.tagged("kitten") == {retagged}
        assert len(service.tagged("dog")) == 11
        train(service)
        assert service.tagged("kitten") == {retagged, pending}
        assert len(service.ask(query.search_term("puppy", limit=100)).hits) == 25


# --- snapshots --------------------------------------------------------------------------------


def current(service) -> int:
    return next(s.number for s in service.send(indexer.snapshots()).snapshots if s.current)


def test_a_roll_back_keeps_deletes_and_later_adds(service, picture):
    first, _ = service.add(picture(0), picture(1), tags=["old"])
    service.build(clusters=2)
    back = current(service)
    service.add(picture(2), tags=["late"])
    service.build(clusters=1)
    service.send(indexer.delete_image(first.id))
    newest, *_ = service.send(indexer.activate(back)).snapshots
    assert newest.current
    assert newest.number > back
    assert (newest.clusters, newest.images) == (2, 2)
    assert newest.reason == f"roll-back to snapshot {back}"
    assert first.id not in service.found(picture(0))
    assert service.finds_itself(picture(2))
    assert service.tagged("late") == {content_id(picture(2))}
    service.add(picture(3))
    assert len(service.found(picture(3))) == 3


def test_a_roll_back_keeps_new_tags(service, picture):
    [item] = service.add(picture(0), tags=["old"])
    service.build()
    back = current(service)
    service.add(picture(0), tags=["new"])
    service.send(indexer.activate(back))
    assert service.tagged("new") == {item.id}


def test_there_is_no_way_back_to_what_never_was(service):
    with pytest.raises(NotFound, match="no snapshot 99"):
        service.send(indexer.activate(99))
    assert service.http.post("/v1/snapshots/x/activate").status_code == 422


def test_old_snapshots_go_and_those_of_builds_stay_longer(service, picture, monkeypatch):
    monkeypatch.setattr("services.indexer.retention._KEPT_SNAPSHOTS", 3)
    service.add(picture(0))
    service.build()
    built = current(service)
    for seed in range(1, 7):
        service.add(picture(seed))
        (service.data / "snapshots" / f"{current(service):06d}" / "stray").write_text("x")
    numbers = [s.number for s in service.send(indexer.snapshots()).snapshots]
    assert built in numbers
    assert len(numbers) == 4
    service.send(indexer.activate(built))
    assert all(service.finds_itself(picture(seed)) for seed in range(7))


def test_a_snapshot_with_a_damaged_file_is_not_activated(service, picture):
    service.add(picture(0))
    service.build()
    manifest = service.parts.publisher.current()
    service.add(picture(1))
    path = service.data / "segments" / manifest.items[0].name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    answer = service.http.post(f"/v1/snapshots/{manifest.number}/activate")
    assert answer.status_code == 500
    assert "damaged" in answer.json()["detail"]


# --- models that change -----------------------------------------------------------------------


def test_another_model_is_never_mixed_in_and_a_build_brings_it(
    start, other_embedder, folder_of, picture
):
    root = tagged_folder(folder_of)
    with start() as service:
        service.ingest(root, build=False)
        former = service.parts.publisher.current().visual.fingerprint
        network = train(service).result["network"]
        before = current(service)
    with start(other_embedder) as service:
        with pytest.raises(FingerprintMismatch) as caught:
            service.add(picture(1000))
        hosted = caught.value.extra["embedder"]
        assert caught.value.extra["index"] == former != hosted
        assert former in caught.value.detail
        assert hosted in caught.value.detail
        assert "ise build" in caught.value.detail
        assert former in service.failed(service.start_ingest(root, build=False))
        assert "ise build" in service.failed(service.send(indexer.train_matching(QUICK)))
        built = service.build().result
        assert built["images"] == 24
        assert built["network"] not in (None, network)
        assert service.finds_itself(picture(0))
        assert service.ask(query.search_term("puppy")).mode == "semantic"
        service.add(picture(1000))
        assert service.parts.publisher.current().visual.fingerprint == hosted
    with start() as service:
        service.send(indexer.activate(before))
        assert service.finds_itself(picture(0))
        assert service.parts.publisher.current().visual.fingerprint == former


def test_no_image_drops_out_of_search_without_being_asked_to(
    start, other_embedder, folder_of, picture
):
    root = tagged_folder(folder_of)
    with start() as service:
        service.ingest(root)
        before = current(service)
    (root / "dog" / "0.png").unlink()
    (root / "car" / "1.png").unlink()
    with start(other_embedder) as service:
        error = service.failed(service.send(indexer.build(BuildSettings())))
        assert re.match(r"2 images would drop out of search, such as (dog/0|car/1)\.png: ", error)
        assert error.endswith("`ise build --drop-missing`.")
        assert current(service) == before
        assert "2 images would drop out" in service.failed(service.start_ingest(root))
        (root / "dog" / "0.png").write_bytes(b"no picture any more")
        (root / "car" / "1.png").write_bytes(picture(1))
        assert "1 image would" in service.failed(service.send(indexer.build(BuildSettings())))
        built = service.build(drop_missing=True)
        assert (built.result["dropped"], built.result["images"]) == (1, 23)
        assert list(service.reasons(built)) == ["dog/0.png"]
        # It is out already, so a further build loses nothing.
        assert service.build().result["dropped"] == 0


def test_uploads_are_embedded_anew_from_a_data_folder_that_was_moved(
    start, other_embedder, picture, tmp_path
):
    with start() as service:
        service.add(picture(0), picture(1))
    service.data.rename(tmp_path / "moved")
    other_embedder.mount(tmp_path / "moved")
    with type(service)(tmp_path / "moved", other_embedder.url) as service:
        assert service.build().result["images"] == 2
        assert service.finds_itself(picture(0))


def test_no_image_drops_out_of_the_joint_space_without_being_asked_to(
    start, embedder_of_two, folder_of, other_embedder
):
    root = tagged_folder(folder_of)
    with start(other_embedder) as service:
        service.ingest(root)
    (root / "dog" / "0.png").unlink()
    # The visual model is the same; the matching one is another.
    with start(embedder_of_two) as service:
        for call in (indexer.build(BuildSettings()), indexer.train_matching(QUICK)):
            assert "1 image would drop out" in service.failed(service.send(call))
        assert service.build(drop_missing=True).result["images"] == 24
        train(service)


def test_an_image_without_visual_features_is_in_no_joint_space(
    start, embedder_of_two, folder_of, picture
):
    def all_of(service) -> int:
        return len(service.ask(query.search_term("puppy", limit=100)).hits)

    root = tagged_folder(folder_of)
    with start() as service:
        service.ingest(root, build=False)
        train(service)
        former = current(service)
    (root / "dog" / "0.png").unlink()
    with start(embedder_of_two) as service:
        assert service.build(drop_missing=True).result["images"] == 23
        assert all_of(service) == 23
        train(service)
        assert all_of(service) == 23
        later = current(service)
    with start() as service:
        service.send(indexer.activate(former))
        service.add(picture(1000))
        assert all_of(service) == 25
    with start(embedder_of_two) as service:
        service.send(indexer.activate(later))
        assert all_of(service) == 23
        service.add(picture(0), picture(1000))
        assert all_of(service) == 25


def test_an_emptied_collection_takes_pictures_of_another_model(start, other_embedder, picture):
    with start() as service:
        [item] = service.add(picture(0))
        service.send(indexer.delete_image(item.id))
    with start(other_embedder) as service:
        service.add(picture(0), picture(1))
        assert service.finds_itself(picture(0))
        assert len(service.found(picture(0))) == 2


# --- what may be missing ----------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


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
            service.send(indexer.activate(back))
        assert service.finds_itself(picture(1))


def test_without_an_embedder_adding_is_unavailable_and_jobs_fail_with_a_sentence(
    start, nowhere, picture, folder_of, monkeypatch
):
    with start(embed_attempts=1) as service:
        [item] = service.add(picture(0), tags=["dog"])
        with monkeypatch.context() as changed:
            changed.setattr(service.parts._embedders.clients[0], "base_url", nowhere)
            with pytest.raises(Unavailable, match="Is the service up"):
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
    parts = Parts(service.settings, Client("http://127.0.0.1:1"))
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
