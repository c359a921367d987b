"""Going over to another model while clients search."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.indexer.embedding.client import Embedding, ModelPair
from services.indexer.workflows.index_builder import IndexBuilder
from shared.clients import embedder as embedders
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import AddState, ReembedRequest, TrainMatchingRequest
from shared.contracts.jobs import JobState
from shared.core.errors import ISEError
from shared.media.identity import content_id

PICTURES = 24


@pytest.fixture
def models(embedder: Any, other_embedder: Any) -> tuple[str, str]:
    """The fingerprints of the former and of the new model."""
    found = []
    for one in (embedder, other_embedder):
        with Client(one.url) as client:
            found.append(client.send(embedders.list_models()).visual.fingerprint)
    return found[0], found[1]


@pytest.fixture
def both(embedder: Any, other_embedder: Any, tmp_path: Path) -> str:
    """ISE_EMBEDDER_URL with both, over this test's data."""
    for one in (embedder, other_embedder):
        one.mount(tmp_path / "data")
    return f"{embedder.url},{other_embedder.url}"


@pytest.fixture
def source(folder_of: Callable[..., Path]) -> Path:
    return folder_of({f"{'dog' if n % 2 else 'car'}/{n}.png": n for n in range(PICTURES)})


class Clients:
    """Some that search by picture, id and tag all the time, and note what they find."""

    def __init__(self, service: Any, files: list[bytes]) -> None:
        self._service = service
        self._files = files
        self._stop = threading.Event()
        self.failed: list[str] = []
        self.answers: list[Any] = []
        self._threads = [threading.Thread(target=self._run, args=(kind,)) for kind in range(3)]

    def _run(self, kind: int) -> None:
        number = 0
        with Client(self._service.query_url) as client:
            while not self._stop.is_set():
                number += 1
                data = self._files[number % len(self._files)]
                call = (
                    query.search_image(data, limit=5),
                    query.search_id(content_id(data), limit=5),
                    query.search_term("dog", limit=5),
                )[kind]
                try:
                    answer = client.send(call)
                except ISEError as error:
                    self.failed.append(error.detail)
                    continue
                if kind < 2 and answer.hits[0].id != content_id(data):
                    self.failed.append(f"{answer.model}: an image is not its own first hit")
                self.answers.append(answer)

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_no_query_fails_and_no_answer_is_mixed(
    service_at: Any, tmp_path: Path, both: str, source: Path, models: Any, until: Any
) -> None:
    former, new = models
    with service_at(tmp_path / "data", both, embed_batch=2) as service:
        service.ingest(source)
        before = service.ask(query.get_stats())
        assert before.model == former
        files = [path.read_bytes() for path in sorted(source.glob("*/*.png"))]
        with Clients(service, files) as clients:
            until(lambda: len(clients.answers) > 10)
            job = service.succeeded(service.send(indexer.reembed_index(ReembedRequest())))
            seen = len(clients.answers)
            until(lambda: len(clients.answers) > seen + 10)
        assert clients.failed == []
        after = service.ask(query.get_stats())
        assert after.model == new
        assert after.images == PICTURES
        # Each snapshot is of one model, and an answer is of one snapshot.
        image_models = {(a.snapshot, a.model) for a in clients.answers if a.mode == "image"}
        assert image_models == {(before.snapshot, former), (after.snapshot, new)}
        assert job.result["model"] == new
        # Without a trained network of the new model, tags would not be ranked.
        assert after.network not in (None, before.network)


def test_what_is_added_meanwhile_is_found_before_and_after(
    service_at: Any,
    tmp_path: Path,
    both: str,
    source: Path,
    models: Any,
    picture: Callable[..., bytes],
) -> None:
    with service_at(tmp_path / "data", both, embed_batch=2) as service:
        service.ingest(source)
        job = service.send(indexer.reembed_index(ReembedRequest()))
        added = []
        while not service.send(indexer.get_job(job.id)).state.ended:
            data = picture(1000 + len(added))
            service.add(data)
            added.append(data)
            assert service.finds_itself(data)
        service.succeeded(job)
        assert service.ask(query.get_stats()).model == models[1]
        assert added
        for data in added:
            assert service.finds_itself(data)
        service.add(picture(999))
        assert service.finds_itself(picture(999))


def test_an_upload_that_asked_for_the_models_before_the_change_is_embedded_by_the_new_one(
    service_at: Any,
    tmp_path: Path,
    both: str,
    source: Path,
    models: Any,
    picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with service_at(tmp_path / "data", both) as service:
        service.ingest(source)
        pair = Embedding.pair
        asked = []

        def slowly(self: Embedding, bulk: bool = False) -> ModelPair:
            found = pair(self, bulk)
            asked.append(found.visual)
            if len(asked) == 1:
                service.succeeded(service.send(indexer.reembed_index(ReembedRequest())))
            return found

        monkeypatch.setattr(Embedding, "pair", slowly)
        [item] = service.add(picture(1000))
        assert item.state is AddState.ADDED
        assert (asked[0], asked[-1]) == models
        assert service.finds_itself(picture(1000))


def test_stopped_half_way_it_goes_on_and_embeds_none_twice(
    service_at: Any, tmp_path: Path, both: str, source: Path, models: Any, until: Any
) -> None:
    data = tmp_path / "data"
    with service_at(data, both) as service:
        service.ingest(source)
    with held_up() as hold, service_at(data, both, embed_batch=1, embed_concurrency=1) as service:
        job = service.send(indexer.reembed_index(ReembedRequest()))
        until(lambda: hold.asked > 3)
        # Not before the service was told to end.
        stopping = service.parts.jobs._stopping
        threading.Thread(target=lambda: (stopping.wait(60), hold.let_go.set()), daemon=True).start()
    done = rows_of(data, models[1])
    assert 0 < done < PICTURES
    with service_at(data, both) as service:
        ended = service.succeeded(job)
        assert ended.result["model"] == models[1]
        assert service.ask(query.get_stats()).images == PICTURES
    assert rows_of(data, models[1]) == PICTURES


class Hold:
    """Holds the embedding of an ingest up after a few pictures."""

    def __init__(self) -> None:
        self.asked = 0
        self.let_go = threading.Event()


@contextmanager
def held_up() -> Iterator[Hold]:
    from services.indexer.ingest.pipeline import Ingest

    hold, former = Hold(), Ingest._embed

    def slow(self: Any, files: list[bytes]) -> Any:
        hold.asked += 1
        if hold.asked > 3:
            hold.let_go.wait(60)
        return former(self, files)

    Ingest._embed = slow  # type: ignore[method-assign]
    try:
        yield hold
    finally:
        Ingest._embed = former  # type: ignore[method-assign]


def rows_of(data: Path, fingerprint: str) -> int:
    """Rows of all shards of features."""
    shards = (data / "features" / fingerprint).glob("0*.npy")
    return sum(len(np.load(path)) for path in shards)


def test_without_another_model_there_is_nothing_to_do(
    service: Any, picture: Callable[..., bytes]
) -> None:
    service.add(picture(1))
    ended = service.ended(service.send(indexer.reembed_index(ReembedRequest())))
    assert ended.state is JobState.FAILED
    assert "Every embedder has the same model" in ended.error


def test_an_embedder_must_be_one_of_those_in_the_settings(
    service_at: Any, tmp_path: Path, both: str, picture: Callable[..., bytes]
) -> None:
    with service_at(tmp_path / "data", both) as service:
        service.add(picture(1))
        request = ReembedRequest(embedder="http://127.0.0.1:9")
        error = service.failed(service.send(indexer.reembed_index(request)))
        assert "is not in ISE_EMBEDDER_URL" in error


def test_a_roll_back_is_answered_by_the_former_embedder(
    service_at: Any, tmp_path: Path, both: str, source: Path, models: Any
) -> None:
    with service_at(tmp_path / "data", both) as service:
        former = service.ingest(source).result["snapshot"]
        service.succeeded(service.send(indexer.reembed_index(ReembedRequest())))
        service.send(indexer.activate_snapshot(former))
        data = next(source.glob("*/*.png")).read_bytes()
        answer = service.ask(query.search_image(data))
        assert answer.model == models[0]
        assert answer.hits[0].id == content_id(data)
        assert service.ask(query.search_term("puppy")).mode == "semantic"


def test_a_roll_back_during_a_training_leaves_no_words_of_the_new_model(
    service_at: Any,
    tmp_path: Path,
    both: str,
    source: Path,
    picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_joint = IndexBuilder._with_joint
    with service_at(tmp_path / "data", both) as service:
        former = service.ingest(source).result["snapshot"]
        service.succeeded(service.send(indexer.reembed_index(ReembedRequest())))
        # The former model knows nothing of it.
        service.add(picture(1000))

        def slowly(self: IndexBuilder, *given: Any) -> Any:
            service.send(indexer.activate_snapshot(former))
            return with_joint(self, *given)

        monkeypatch.setattr(IndexBuilder, "_with_joint", slowly)
        asked = indexer.train_matching(TrainMatchingRequest())
        assert "rolled back" in service.failed(service.send(asked))
        answer = service.ask(query.search_term("puppy", limit=PICTURES + 1))
        assert (answer.mode, len(answer.hits)) == ("semantic", PICTURES)


@pytest.mark.parametrize("sync", [False, True])
def test_a_roll_back_during_an_ingest_is_told_and_a_build_finds_all(
    service_at: Any,
    tmp_path: Path,
    both: str,
    source: Path,
    picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    sync: bool,
) -> None:
    images = Embedding.images
    with service_at(tmp_path / "data", both) as service:
        former = service.ingest(source).result["snapshot"]
        service.succeeded(service.send(indexer.reembed_index(ReembedRequest())))
        (source / "new.png").write_bytes(picture(1000))

        def slowly(self: Embedding, *given: Any, **options: Any) -> Any:
            monkeypatch.undo()
            service.send(indexer.activate_snapshot(former))
            return images(self, *given, **options)

        monkeypatch.setattr(Embedding, "images", slowly)
        job = service.start_ingest(source, sync=sync, build=False)
        assert "rolled back" in service.failed(job)
        service.build()
        assert service.finds_itself(picture(1000))
