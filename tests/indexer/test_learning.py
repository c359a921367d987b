"""New tags are learnt, and drifted clusters made anew, in the background and within bounds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.indexer.embedding.client import Embedding
from services.indexer.segments import health
from services.indexer.workflows import learning as learning_module
from services.indexer.workflows.learn_job import LearnJob
from shared.clients import indexer, query
from shared.contracts.features import FeaturesRequest
from shared.contracts.indexer import ImagePatch, TrainMatchingRequest
from shared.contracts.jobs import JobKind, JobState
from shared.media.identity import content_id
from tests.indexer.running import until
from tests.indexer.training import QUICK, tagged_folder, train, wait_until_cancelled

QUIET_S = 0.2
NEW = ["tree", "house", "horse", "boat", "bird", "chair"]


def learnt(service, state: JobState | None = None):
    return service.parts.job_table.latest(JobKind.LEARN, state)


def learning(service):
    found = service.send(indexer.get_index_health()).learning
    assert found is not None
    return found


def add_new_tags(service, picture, tags=NEW) -> None:
    service.add(picture(500), picture(501), tags=tags)


@pytest.fixture
def trained(start, folder_of):
    """A service whose network knows two tags; it learns nothing by itself."""
    with start(learn_after=0) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        train(service)
        yield service


def test_new_tags_are_learnt_in_the_background_once_they_are_many(start, folder_of, picture):
    with start(learn_after=QUIET_S) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        train(service)
        add_new_tags(service, picture)
        job = until(lambda: learnt(service, JobState.SUCCEEDED))
        assert job.result["learnt"] == ["training"]
        assert job.result["untrained_tags"] == 0
        found = learning(service)
        assert (found.tags, found.known_tags, found.tasks) == (8, 8, [])
        assert "The network knows 8 of 8 tags" in found.message
        assert f"learnt last at {job.finished_at[:19]}Z" in found.message
        # Where the indexer takes long to answer, the query service goes without.
        until(lambda: service.ask(query.get_stats()).learning == found)


def test_tags_are_counted_anew_for_a_new_network_at_once(trained, picture, monkeypatch):
    monkeypatch.setattr(learning_module, "_COUNT_PAUSE", 1e9)
    add_new_tags(trained, picture)
    assert learning(trained).tags == 2 + len(NEW)
    done = trained.succeeded(trained.parts.jobs.submit(JobKind.LEARN, {}))
    assert done.result["learnt"] == ["training"]
    found = learning(trained)
    assert (found.known_tags, found.tasks) == (2 + len(NEW), [])


def test_learning_waits_for_no_reading_of_texts(trained, picture):
    add_new_tags(trained, picture)
    table, upkeep = trained.parts.job_table, trained.parts._upkeep
    trained.parts.jobs.stop(60)
    reading = table.add(JobKind.TEXT, {"again": False})
    upkeep._learn_if_due()
    assert learnt(trained) is not None
    assert table.get(reading.id).state is JobState.CANCELLED


def test_what_is_due_is_told_where_nothing_is_learnt_by_itself(trained, picture):
    assert learning(trained).message == "The network knows 2 of 2 tags."
    add_new_tags(trained, picture)
    found = learning(trained)
    assert (found.state, found.tasks) == ("off", ["training"])
    assert (found.tags, found.known_tags) == (8, 2)
    assert found.message.startswith("The network knows 2 of 8 tags; ")
    assert "ise train-matching" in found.message
    assert learnt(trained) is None


def test_a_few_new_tags_are_not_worth_a_training(trained, picture):
    add_new_tags(trained, picture, NEW[:4])
    found = learning(trained)
    assert (found.known_tags, found.tags, found.tasks) == (2, 6, [])


def test_a_job_that_somebody_waits_for_goes_first(start, folder_of, picture, monkeypatch):
    with start(learn_after=QUIET_S) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        train(service)
        with monkeypatch.context() as slow:
            slow.setitem(service.parts.jobs._work, JobKind.LEARN, wait_until_cancelled)
            add_new_tags(service, picture)
            job = until(lambda: (one := learnt(service)) and one.progress.stage and one)
            service.build()
            assert service.ended(job).state is JobState.CANCELLED
        done = until(lambda: learnt(service, JobState.SUCCEEDED))
        assert done.result["learnt"] == ["training"]


def test_a_failure_is_followed_by_a_pause_and_a_cancel_by_hand_too(trained, picture):
    add_new_tags(trained, picture)
    jobs, found = trained.parts.jobs, trained.parts.learning
    assert found.pause(was_preempted=False) == timedelta()
    with trained.embedders():
        trained.failed(jobs.submit(JobKind.LEARN, {}))
    assert found.pause(was_preempted=False) > timedelta(hours=23)
    done = trained.succeeded(jobs.submit(JobKind.LEARN, {}))
    assert done.result["learnt"] == ["training"]
    took = sum(done.progress.seconds.values())
    assert found.pause(was_preempted=False) <= timedelta(seconds=10 * took)
    again = trained.succeeded(jobs.submit(JobKind.LEARN, {}))
    assert again.result["learnt"] == []


def test_a_network_that_somebody_measures_with_is_left_as_it_is(trained, picture):
    add_new_tags(trained, picture)
    request = TrainMatchingRequest(settings=QUICK.settings, hold_out=["car", *NEW])
    trained.succeeded(trained.send(indexer.train_matching(request)))
    found = learning(trained)
    assert (found.known_tags, found.tags, found.tasks) == (1, 8, [])


def test_a_training_in_the_background_keeps_the_settings_that_somebody_chose(trained, picture):
    add_new_tags(trained, picture)
    done = trained.succeeded(trained.parts.jobs.submit(JobKind.LEARN, {}))
    assert done.result["report"]["epochs"] <= QUICK.settings.epochs


def test_clusters_that_no_longer_fit_are_made_anew_as_they_were_asked_for(
    trained, picture, monkeypatch
):
    trained.build(clusters=3)
    monkeypatch.setattr(health, "_WORTH_CLUSTERS", 10)
    monkeypatch.setattr(health, "_GROWTH", 1.2)
    trained.add(*[picture(seed) for seed in range(700, 712)])
    found = learning(trained)
    assert found.tasks == ["clustering"]
    done = trained.succeeded(trained.parts.jobs.submit(JobKind.LEARN, {}))
    assert (done.result["learnt"], done.result["clusters"]) == (["clustering"], 3)
    assert learning(trained).tasks == []


def test_a_retag_that_brings_no_new_tag_makes_nothing_due(trained, picture):
    trained.send(indexer.patch_image(content_id(picture(0)), ImagePatch(tags=["car"])))
    assert learning(trained).tasks == []


def test_tags_of_vectors_from_outside_are_never_due(start):
    with start(learn_after=0) as service:
        items = [{"id": tag, "vector": [1.0, float(len(tag))], "tags": [tag]} for tag in NEW]
        request = FeaturesRequest.model_validate({"model": "clip", "items": items})
        service.send(indexer.add_features(request))
        service.build()
        found = learning(service)
        assert (found.tags, found.tasks) == (len(NEW), [])


def test_tags_are_tried_once_where_towers_leave_nothing_to_train(trained, picture, monkeypatch):
    pair = Embedding.pair
    monkeypatch.setattr(
        Embedding,
        "pair",
        lambda self, *said, **options: replace(pair(self, *said, **options), joint="towers"),
    )
    add_new_tags(trained, picture)
    publisher = trained.parts.publisher
    publisher.publish(lambda current: current.model_copy(update={"joint": None}))
    assert learning(trained).tasks == ["training"]
    trained.succeeded(trained.parts.jobs.submit(JobKind.LEARN, {}))
    assert learning(trained).tasks == []


def test_every_kind_of_job_has_its_work(trained):
    assert set(trained.parts.jobs._work) == set(JobKind)
    assert trained.parts.jobs._work[JobKind.LEARN].__func__ is LearnJob.run
