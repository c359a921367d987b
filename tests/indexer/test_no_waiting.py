"""Changes are acknowledged while an embedder that a job needs accepts calls and doesn't answer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hanging import HangingEmbedder, hanging_embedder
from services.indexer.publishing import pending, publisher
from services.indexer.publishing.retention import Retention
from shared.clients import curation, indexer, query
from shared.contracts.curation import BulkRequest
from shared.contracts.features import FeaturesRequest, VectorItem
from shared.contracts.images import ImagePatch
from shared.contracts.indexer import BuildSettings, ReembedRequest
from shared.contracts.jobs import Job
from shared.core.errors import NotFound
from shared.media.identity import content_id

PICTURES = 8


@pytest.fixture
def source(folder_of: Callable[..., Path]) -> Path:
    return folder_of({f"{'dog' if n % 2 else 'car'}/{n}.png": n for n in range(PICTURES)})


@pytest.fixture
def ids(picture: Callable[..., bytes]) -> list[str]:
    return [content_id(picture(n)) for n in range(PICTURES)]


@pytest.fixture
def alone(embedder: Any) -> Iterator[HangingEmbedder]:
    with hanging_embedder(embedder.url) as found:
        yield found


@pytest.fixture
def second(other_embedder: Any) -> Iterator[HangingEmbedder]:
    with hanging_embedder(other_embedder.url) as found:
        yield found


@pytest.fixture(autouse=True)
def _as_patient_as_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "PATIENCE_S", pending.PATIENCE_S)


def still_hangs(proxy: HangingEmbedder, service: Any, job: Job) -> bool:
    return proxy.hanging > 0 and not service.send(indexer.get_job(job.id)).state.ended


@pytest.mark.slow
def test_pictures_of_the_former_model_and_all_else_come_in_while_late_ones_hang(
    service_at: Any,
    tmp_path: Path,
    embedder: Any,
    other_embedder: Any,
    second: HangingEmbedder,
    source: Path,
    picture: Callable[..., bytes],
    ids: list[str],
) -> None:
    for one in (embedder, other_embedder):
        one.mount(tmp_path / "data")
    late, later = picture(100), picture(101)
    with service_at(tmp_path / "data", f"{embedder.url},{second.url}") as service:
        service.ingest(source)
        # All is embedded by the new model; the joint space isn't there yet.
        second.hang(lambda path: path.startswith(("/v1/matching", "/v1/embed/terms")))
        job = service.send(indexer.reembed_index(ReembedRequest()))
        assert second.reached.wait(60)
        service.add(late)
        # Now the last step: what came meanwhile is to be embedded, before the index is published.
        second.hang(lambda path: path == "/v1/embed/images")
        assert second.reached.wait(60)

        service.send(indexer.patch_image(ids[0], ImagePatch(tags=["dog", "spaniel"])))
        service.send(indexer.delete_image(ids[1]))
        service.send(curation.change_images(BulkRequest(ids=[ids[2]], add_tags=["red"])))
        service.add(later)
        assert still_hangs(second, service, job)
        assert service.tagged("spaniel") == {ids[0]}
        assert service.tagged("red") == {ids[2]}
        assert service.finds_itself(later)
        assert ids[1] not in service.found(picture(1))
        assert still_hangs(second, service, job)

        second.resume()
        service.succeeded(job)
        stats = service.ask(query.get_stats())
        assert stats.model == job_model(service, job)
        assert stats.images == PICTURES + 1
        for data in (late, later, picture(0)):
            assert service.finds_itself(data)
        assert service.tagged("spaniel") == {ids[0]}


def test_what_is_deleted_while_it_is_embedded_by_another_model_stays_deleted(
    service_at: Any,
    tmp_path: Path,
    embedder: Any,
    other_embedder: Any,
    second: HangingEmbedder,
    source: Path,
    picture: Callable[..., bytes],
    ids: list[str],
) -> None:
    for one in (embedder, other_embedder):
        one.mount(tmp_path / "data")
    with service_at(tmp_path / "data", f"{embedder.url},{second.url}") as service:
        service.ingest(source)
        [upload] = service.add(picture(100))
        second.hang(lambda path: path == "/v1/embed/images")
        job = service.send(indexer.reembed_index(ReembedRequest()))
        assert second.reached.wait(60)
        # Their files are read and under way to the embedder.
        for image_id in (upload.id, ids[1]):
            service.send(indexer.delete_image(image_id))
        second.resume()
        service.succeeded(job)
        for image_id in (upload.id, ids[1]):
            with pytest.raises(NotFound):
                service.send(indexer.get_image(image_id))
        assert service.ask(query.get_stats()).images == PICTURES - 1
        assert len(service.send(curation.list_trash()).images) == 2


def job_model(service: Any, job: Job) -> str:
    found: str = service.send(indexer.get_job(job.id)).result["model"]
    return found


def test_retags_and_deletions_are_acknowledged_while_the_only_embedder_hangs_in_a_build(
    service_at: Any,
    tmp_path: Path,
    embedder: Any,
    alone: HangingEmbedder,
    source: Path,
    picture: Callable[..., bytes],
    ids: list[str],
) -> None:
    embedder.mount(tmp_path / "data")
    with service_at(tmp_path / "data", alone.url) as service:
        service.ingest(source)
        assert service.parts.current.manifest().joint is not None
        alone.hang()
        job = service.send(indexer.build_index(BuildSettings()))
        assert alone.reached.wait(60)
        service.send(indexer.patch_image(ids[0], ImagePatch(tags=["never heard of"])))
        service.send(indexer.delete_image(ids[1]))
        service.send(curation.rename_tag("dog", "hound"))
        assert still_hangs(alone, service, job)
        assert service.tagged("never heard of") == {ids[0]}
        assert ids[1] not in service.tagged("hound")
        # The new tags' own vectors are still to be had, and the snapshot says so.
        assert service.parts.current.manifest().lags
        assert still_hangs(alone, service, job)
        alone.resume()
        service.succeeded(job)
        service.parts.publisher.publish_lag()
        assert not service.parts.current.manifest().lags
        assert service.tagged("hound") == {ids[n] for n in (3, 5, 7)}


def test_vectors_come_in_while_the_embedder_hangs(
    service_at: Any, tmp_path: Path, alone: HangingEmbedder
) -> None:
    alone.hang()
    with service_at(tmp_path / "data", alone.url) as service:

        def add(*numbers: int) -> Any:
            items = [
                VectorItem(id=str(n), vector=[float(n), 1.0, 2.0], tags=["one"]) for n in numbers
            ]
            return service.send(indexer.add_features(FeaturesRequest(model="mine", items=items)))

        assert add(1, 2).added == 2
        job = service.build(clusters=2)
        assert add(3).added == 1
        assert service.send(indexer.get_job(job.id)).state.ended
        assert service.tagged("one") == {"1", "2", "3"}


def test_a_failed_pruning_fails_no_job_and_no_upload_whose_snapshot_is_published(
    service: Any, picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(12):
        service.add(picture(seed))
    segments = service.data / "segments"
    with monkeypatch.context() as patched:

        def refuse(*_: object) -> None:
            raise OSError(5, "Input/output error")

        patched.setattr(Retention, "remove_old", refuse)
        service.add(picture(50))
        job = service.build(clusters=2)
        before = len(list(segments.iterdir()))
    assert service.finds_itself(picture(50))
    assert job.result["snapshot"] == service.parts.current.manifest().number
    service.add(picture(51))
    assert len(list(segments.iterdir())) < before
    kept = {file.name for m in service.parts.index.snapshots.readable() for file in m.files()}
    assert {path.name for path in segments.iterdir()} == kept


def test_what_a_preparation_reads_stays_however_much_is_published_beside_it(
    service: Any, picture: Callable[..., bytes]
) -> None:
    for seed in range(2):
        service.add(picture(seed))
    # The first file of a space stays for long anyway, additions are merged soon.
    used = service.parts.current.manifest().visual.postings[-1]
    store = service.parts.index.segments
    with store.using([used]):
        for seed in range(2, 15):
            service.add(picture(seed))
        assert store.path(used).exists()
    service.add(picture(20))
    assert not store.path(used).exists()
