"""An embedder whose features have moved is told of, and takes nothing in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from services.embedder.app import create_app as embedder_app
from services.embedder.config import EmbedderSettings
from shared import canary
from shared.clients import query
from shared.errors import ModelDrift
from shared.snapshots.manifest import SnapshotStore


@pytest.fixture
def drifting(tmp_path: Path, serving: Any, until: Any) -> Any:
    """An embedder whose network runs a little otherwise: the same weights, other features."""
    settings = EmbedderSettings(_env_file=None, data_dir=tmp_path / "data", torch_threads=1)
    app = embedder_app(settings)
    with serving(app) as url:
        until(lambda: httpx.get(f"{url}/ready", trust_env=False).is_success)
        backbone = app.state.host.hosted().visual.backbone
        former = backbone._engine

        class Drifted:
            name = former.name

            def __call__(self, pixels: Any) -> Any:
                found = former(pixels)
                length = np.linalg.norm(found, axis=1, keepdims=True)
                noise = np.random.default_rng(0).normal(size=found.shape[1])
                return (found + 0.1 * length * noise / np.linalg.norm(noise)).astype(np.float32)

        backbone._engine = Drifted()
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
    drift = service.ask(query.stats()).drift
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
        assert not again.ask(query.stats()).drift.served
