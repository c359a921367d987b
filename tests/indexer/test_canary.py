"""An embedder whose features have moved is told of, and takes nothing in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from services.embedder.app import create_app as embedder_app
from services.embedder.config import EmbedderSettings
from services.embedder.engines.choice import Chosen
from services.indexer.storage.feature_store import FeatureStore
from shared.clients import embedder as call
from shared.clients import query
from shared.clients.transport import Client
from shared.core.errors import FingerprintMismatch, ModelDrift
from shared.media.identity import content_id
from shared.models import canary
from shared.snapshots.store import SnapshotStore


@pytest.fixture
def drifting(tmp_path: Path, serving: Any, until: Any) -> Any:
    """An embedder whose network runs a little otherwise: the same weights, other features."""
    settings = EmbedderSettings(_env_file=None, data_dir=tmp_path / "data", torch_threads=1)
    app = embedder_app(settings)
    with serving(app) as url:
        until(lambda: httpx.get(f"{url}/ready", trust_env=False).is_success)
        backbone = app.state.host.hosted().visual.backbone
        former = backbone._chosen.engine

        class Drifted:
            name = former.name

            def __call__(self, pixels: Any) -> Any:
                found = former(pixels)
                length = np.linalg.norm(found, axis=1, keepdims=True)
                noise = np.random.default_rng(0).normal(size=found.shape[1])
                return (found + 0.1 * length * noise / np.linalg.norm(noise)).astype(np.float32)

        backbone._chosen = Chosen(Drifted())
        yield url


def test_it_is_kept_with_the_features_and_every_snapshot(
    service: Any, picture: Callable[..., bytes]
) -> None:
    service.add(picture(1))
    manifest = SnapshotStore(service.data).current()
    fingerprint = manifest.visual.fingerprint
    assert list(manifest.canaries) == [fingerprint]
    service.add(picture(2))
    service.build()
    assert SnapshotStore(service.data).current().canaries == manifest.canaries
    assert service.finds_itself(picture(1))
    drift = service.ask(query.get_stats()).drift
    assert drift.model == fingerprint
    assert drift.served
    assert drift.distance <= canary.LARGEST_DRIFT


def test_another_run_of_the_same_weights_is_refused(
    service: Any,
    service_at: Any,
    drifting: str,
    picture: Callable[..., bytes],
    folder_of: Callable[..., Path],
) -> None:
    ids = [item.id for item in service.add(*(picture(seed) for seed in range(3)), tags=["dog"])]
    service._stack.close()
    with service_at(service.data, drifting) as again:
        with pytest.raises(ModelDrift, match="have moved by"):
            again.add(picture(9))
        source = folder_of({"new/9.png": 9})
        for build in (True, False):
            job = again.ended(again.start_ingest(source, build=build))
            assert "have moved by" in job.error
        with pytest.raises(ModelDrift, match="have moved by"):
            again.found(picture(0))
        assert again.ask(query.search_id(ids[0])).hits[0].id == ids[0]
        assert again.tagged("dog") == set(ids)
        assert not again.ask(query.get_stats()).drift.served


def test_replicas_of_which_one_runs_otherwise_are_never_mixed(
    embedder: Any,
    drifting: str,
    service_at: Any,
    tmp_path: Path,
    picture: Callable[..., bytes],
    folder_of: Callable[..., Path],
) -> None:
    pictures = [picture(seed) for seed in range(40)]
    source = folder_of({f"{n}.png": data for n, data in enumerate(pictures)})
    made = {}
    for url in (embedder.url, drifting):
        with Client(url) as client:
            made[url] = client.send(call.embed_images(pictures))
    both = f"{embedder.url}|{drifting}"
    embedder.mount(tmp_path / "data")
    with service_at(tmp_path / "data", both, embed_batch=1) as service:
        assert "have moved by" in service.failed(service.start_ingest(source, build=False))
        fingerprint = made[drifting].fingerprint
        with service.parts.images.view() as view:
            where, items = view.features(fingerprint), view.items(fingerprint)
        stored = FeatureStore(service.data).read(fingerprint, where)
    ids = {item.ordinal: item.id for item in items}
    numbers = [content_id(data) for data in pictures]
    at = [numbers.index(ids[ordinal]) for ordinal in where.ordinals.tolist()]
    if len(stored):
        same = [np.allclose(stored, rows.vectors[at], atol=1e-3) for rows in made.values()]
        # Of one of them, whichever was asked first.
        assert sorted(same) == [False, True]


@pytest.mark.slow
def test_replicas_with_other_weights_are_told_and_never_mixed(
    service: Any,
    service_at: Any,
    other_embedder: Any,
    picture: Callable[..., bytes],
    folder_of: Callable[..., Path],
) -> None:
    pictures = [picture(seed) for seed in range(8)]
    service.add(*pictures)
    before = SnapshotStore(service.data).current()
    both = f"{service.settings.embedder_url}|{other_embedder.url}"
    service._stack.close()
    with service_at(service.data, both, embed_batch=1) as again:
        source = folder_of({f"{seed}.png": seed for seed in range(20, 50)})
        error = again.failed(again.start_ingest(source, build=False))
        assert any(said in error for said in ("must have the same weights", "is indexed with"))
        with again.parts.images.view() as view:
            # What came meanwhile is of the one model.
            assert again.parts.images.without_features(before.visual.fingerprint) == []
            assert len(view.items(before.visual.fingerprint)) >= len(pictures)
        told = 0
        for _ in range(4):
            for data in pictures:
                try:
                    assert again.found(data)[0] == content_id(data)
                except FingerprintMismatch:
                    told += 1
        assert 0 < told < 4 * len(pictures)
