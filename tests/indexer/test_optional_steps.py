"""No optional step fails the job it belongs to: the pictures are published all the same."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.jobs.context import Cancelled, JobContext
from services.indexer.jobs.optional_steps import OptionalStep, SkipCause, SkipCounts, attempt
from services.indexer.segments.local_engine import LocalSpaces
from services.indexer.workflows import index_builder
from services.indexer.workflows.index_builder import IndexBuilder
from services.indexer.workflows.matching_training import MatchingTraining
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import BuildSettings
from shared.core.errors import CatalogueAway, InvalidInput, Unavailable
from shared.media.identity import content_id
from tests.indexer.running import Service
from tests.indexer.training import QUICK, tagged_folder, train
from tests.ports import free_port

SLOW = pytest.mark.slow
WORDS = ["dog", "car", "tree", "house", "horse", "boat", "bird", "chair", "flower"]
MANY = [f"{size} {word}" for size in ("", "big", "small", "red", "old") for word in WORDS[:8]]


def break_down(*_, **__):
    raise ZeroDivisionError("a fault in this code")


def skipped(job) -> dict[str, str]:
    return {one["step"]: one["reason"] for one in job.result.get("skipped_steps", [])}


def skip_count(service, step: OptionalStep, cause: SkipCause) -> float:
    name = f'ise_optional_steps_skipped_total{{cause="{cause}",step="{step}"}}'
    other = f'ise_optional_steps_skipped_total{{step="{step}",cause="{cause}"}}'
    lines = service.http.get("/metrics").text.splitlines()
    [value] = [line.split()[-1] for line in lines if line.startswith((name, other))]
    return float(value)


@pytest.fixture
def nowhere() -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{free_port()}", within=True) as client:
        yield client


@contextmanager
def losing_embedder(service, stage: str, nowhere: Client) -> Iterator[None]:
    """Takes the embedder away as soon as a job comes to a stage, until the block ends."""
    former = JobContext.stage

    with ExitStack() as stack, pytest.MonkeyPatch.context() as broken:

        def noted(job: JobContext, told: str) -> None:
            if told == stage:
                stack.enter_context(service.embedders(nowhere))
            former(job, told)

        broken.setattr(JobContext, "stage", noted)
        yield


@pytest.mark.parametrize("folders", [*(pytest.param(n, marks=SLOW) for n in (8, 9, 10)), 11])
def test_folders_of_six_photos_each_are_ingested_and_matched(service, folder_of, folders):
    names = [*WORDS[:8], "xqzzt", "qqvvx", WORDS[8]]
    root = folder_of({f"{names[n % folders]}/{n}.png": n for n in range(6 * folders)})
    job = service.ingest(root)
    assert skipped(job) == {}
    assert (job.result["images"], job.result["not_trained"]) == (6 * folders, None)
    assert job.result["report"]["terms"] == len(set(names[:folders]) & set(WORDS))
    assert len(service.tagged("dog")) == 6


@pytest.mark.parametrize(
    ("owner", "name", "step"),
    [
        (LocalSpaces, "measure", OptionalStep.RECALL),
        (index_builder, "calibrate", OptionalStep.CALIBRATION),
        (MatchingTraining, "train", OptionalStep.TRAINING),
        (IndexBuilder, "_with_joint", OptionalStep.JOINT_SPACE),
        (IndexBuilder, "_space", OptionalStep.CLUSTERING),
    ],
)
def test_a_step_that_breaks_down_is_named_and_the_pictures_are_published(
    service, folder_of, picture, monkeypatch, caplog, owner, name, step
):
    monkeypatch.setattr(owner, name, break_down)
    job = service.ingest(tagged_folder(folder_of))
    assert skipped(job)[step] == "Unexpected ZeroDivisionError; the log has its trace."
    assert job.result["images"] == 24
    assert service.finds_itself(picture(0))
    assert len(service.tagged("dog")) == 12
    assert any(record.exc_info and step in record.getMessage() for record in caplog.records)
    assert skip_count(service, step, SkipCause.FAULT) >= 1


def test_a_build_that_is_asked_for_by_itself_fails_with_its_clustering(
    service, folder_of, monkeypatch
):
    service.ingest(tagged_folder(folder_of))
    monkeypatch.setattr(LocalSpaces, "build", break_down)
    error = service.failed(service.send(indexer.build_index(BuildSettings())))
    assert "ZeroDivisionError" in error


def test_a_transform_that_is_asked_for_fails_its_build_and_the_usual_one_does_not(
    service, folder_of, monkeypatch
):
    service.ingest(tagged_folder(folder_of))
    asked = BuildSettings(transform="pca:4000")
    assert "directions" in service.failed(service.send(indexer.build_index(asked)))
    monkeypatch.setattr(index_builder.transforms, "chosen", lambda *_: "pca:8")
    monkeypatch.setattr(index_builder.transforms, "learned", break_down)
    assert OptionalStep.TRANSFORM in skipped(service.build())


def test_a_training_that_is_asked_for_by_itself_fails_with_its_reason(service, picture):
    service.add(picture(0), tags=["xqzzt"])
    job = service.build()
    assert "word vector" in skipped(job)[OptionalStep.TRAINING] == job.result["not_trained"]
    assert skip_count(service, OptionalStep.TRAINING, SkipCause.REFUSED) == 1
    assert "word vector" in service.failed(service.send(indexer.train_matching(QUICK)))


def test_an_embedder_that_goes_away_after_embedding_leaves_the_pictures_published(
    start, folder_of, nowhere
):
    with start(embed_attempts=1) as service:
        with losing_embedder(service, "training the matching network", nowhere):
            job = service.ingest(tagged_folder(folder_of))
        assert nowhere.base_url in skipped(job)[OptionalStep.TRAINING]
        assert (job.result["images"], job.result["network"]) == (24, None)
        assert len(service.tagged("car")) == 12


@pytest.mark.parametrize("stage", ["clustering", "publishing"])
def test_a_joint_space_that_lags_behind_catches_up(start, folder_of, picture, nowhere, stage):
    with start(embed_attempts=1) as service:
        service.ingest(tagged_folder(folder_of), build=False)
        train(service)
        more = folder_of({f"dog/{n}.png": n for n in range(100, 106)}, "more")
        with losing_embedder(service, stage, nowhere):
            job = service.ingest(more, build=stage == "clustering")
        assert job.result["images"] == 30
        assert service.finds_itself(picture(100))
        assert len(service.ask(query.search_term("puppy", limit=100)).hits) == 24
        service.add(picture(200))
        assert len(service.ask(query.search_term("puppy", limit=100)).hits) == 31
        assert content_id(picture(100)) in service.tagged("dog")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=15, deadline=None)
@given(
    tags=st.integers(0, 40),
    images=st.integers(1, 40),
    layout=st.sampled_from(["one tag each", "all tags on all"]),
    unknown=st.booleans(),
)
def test_any_small_collection_is_published(
    embedder, picture, tmp_path_factory, tags, images, layout, unknown
):
    root = tmp_path_factory.mktemp("small")
    words = [f"qqzzx{n}" if unknown and n % 2 else word for n, word in enumerate(MANY[:tags])]
    rows = []
    for number in range(images):
        (root / f"{number}.png").write_bytes(picture(number))
        own = words if layout == "all tags on all" else words[number % tags :][:1] if tags else []
        rows.append(json.dumps({"path": f"{number}.png", "tags": own}))
    (root / "list.jsonl").write_text("\n".join(rows))
    embedder.mount(root / "data")
    with Service(root / "data", embedder.url, learn_after=0) as service:
        job = service.ingest(root / "list.jsonl")
        assert job.result["images"] == images
        assert service.finds_itself(picture(images - 1))
        assert not any("Unexpected" in reason for reason in skipped(job).values())
        for word in words[:images]:
            assert service.tagged(word)


class TestAttempt:
    @pytest.fixture
    def counts(self) -> SkipCounts:
        return SkipCounts()

    @pytest.fixture
    def job(self, counts) -> JobContext:
        cancelled = threading.Event()
        return JobContext(lambda *_: None, lambda *_: None, cancelled, count_skip=counts.add)

    @pytest.mark.parametrize("error", [Cancelled(), LeaseLost("job"), CatalogueAway("away")])
    def test_what_ends_the_job_goes_through(self, job, error):
        def work() -> None:
            raise error

        with pytest.raises(type(error)):
            attempt(job, OptionalStep.RECALL, work, None)
        assert job.skipped == []

    def test_an_error_of_a_job_that_is_being_ended_is_no_reason_to_go_on(self, job):
        def work() -> None:
            job.cancelled.set()
            raise Unavailable("The connection was closed.")

        with pytest.raises(Cancelled):
            attempt(job, OptionalStep.TRAINING, work, None)
        assert job.skipped == []

    def test_refusals_and_faults_are_told_apart(self, job, counts):
        def refuse() -> int:
            raise InvalidInput("Too few.")

        assert attempt(job, OptionalStep.RECALL, refuse, 7) == 7
        assert attempt(job, OptionalStep.RECALL, lambda: 3, 7) == 3
        assert attempt(job, OptionalStep.CALIBRATION, break_down, None) is None
        assert next(one.reason for one in job.skipped) == "Too few."
        found = counts.all()
        assert found["recall", "refused"] == found["calibration", "fault"] == 1
        assert sum(found.values()) == 2

    def test_named_errors_go_through(self, job):
        with pytest.raises(ZeroDivisionError):
            attempt(job, OptionalStep.CLUSTERING, break_down, None, but=(ZeroDivisionError,))
