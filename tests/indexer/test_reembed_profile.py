"""Going over to another profile with one embedder, without a restart, and back again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.embedder.backbones.lite_backbone import weights_file
from shared.clients import embedder as embedders
from shared.clients import indexer, query
from shared.clients.transport import Client
from shared.contracts.indexer import ReembedRequest
from shared.core.errors import InvalidInput
from shared.media.identity import content_id
from shared.models.profiles import FINGERPRINTS

PICTURES = 12

needs_lite = pytest.mark.skipif(weights_file() is None, reason="the weights of lite are absent")


@pytest.fixture
def source(folder_of: Callable[..., Path]) -> Path:
    return folder_of({f"{'dog' if n % 2 else 'car'}/{n}.png": n for n in range(PICTURES)})


@pytest.mark.slow
@needs_lite
def test_a_collection_goes_to_lite_and_back_while_its_embedder_runs(
    service_at: Any, tmp_path: Path, embedder: Any, source: Path, picture: Callable[..., bytes]
) -> None:
    embedder.mount(tmp_path / "data")
    file = next(source.glob("*/*.png")).read_bytes()
    with service_at(tmp_path / "data", embedder.url) as service:
        service.ingest(source)
        before = service.ask(query.get_stats())
        assert before.model == FINGERPRINTS["mini"]

        request = ReembedRequest(profile="lite")
        job = service.succeeded(service.send(indexer.reembed_index(request)))
        assert job.result["model"] == FINGERPRINTS["lite"]
        assert service.ask(query.get_stats()).model == FINGERPRINTS["lite"]
        found = service.ask(query.search_image(file, limit=3))
        assert (found.model, found.hits[0].id) == (FINGERPRINTS["lite"], content_id(file))
        added = picture(500)
        service.add(added)
        assert service.ask(query.search_image(added, limit=1)).hits[0].id == content_id(added)
        assert service.ask(query.search_term("dog", limit=3)).hits

        # What came meanwhile is of the other model only, and so no part of the former index.
        service.send(indexer.activate_snapshot(before.snapshot))
        found = service.ask(query.search_image(file, limit=3))
        assert (found.model, found.hits[0].id) == (FINGERPRINTS["mini"], content_id(file))


def test_each_profile_has_the_fingerprint_that_is_written_down(embedder: Any) -> None:
    with Client(embedder.url) as client:
        assert client.send(embedders.list_models()).visual.fingerprint == FINGERPRINTS["mini"]


@needs_lite
@pytest.mark.slow
def test_lite_has_the_fingerprint_that_is_written_down() -> None:
    from services.embedder.backbones.lite_backbone import load_lite

    assert load_lite().fingerprint == FINGERPRINTS["lite"]


def test_an_unknown_profile_is_refused(embedder: Any) -> None:
    with Client(embedder.url) as client, pytest.raises(InvalidInput, match="is not a profile"):
        client.with_headers({"X-ISE-Profile": "huge"}).send(embedders.list_models())
