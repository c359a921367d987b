"""Two embedders on one kind of processor give one picture the same features."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from services.embedder.engines.processor import precisions
from shared.clients import embedder
from shared.clients.transport import Client
from tests.e2e.replica import Replica
from tests.floats import assert_same
from tests.indexer.running import until

# In process, `tests/embedder/test_engines.py` shows it quickly.
pytestmark = [pytest.mark.floats, pytest.mark.slow]


def features(client: Client, pictures: list[bytes], batch: int) -> np.ndarray:
    parts = [pictures[start : start + batch] for start in range(0, len(pictures), batch)]
    return np.concatenate([client.send(embedder.embed_images(part)).vectors for part in parts])


def test_two_that_measured_otherwise_give_the_same_features(sample: Path, tmp_path: Path) -> None:
    pictures = [path.read_bytes() for path in sorted(sample.parent.rglob("*.jpg"))[:24]]
    caches = [tmp_path / "cache-1", tmp_path / "cache-2"]
    replicas = [
        Replica(
            "embedder",
            {
                "ISE_DATA_DIR": str(tmp_path / "data"),
                "ISE_CACHE_DIR": str(cache),
                "ISE_INFERENCE": "auto",
            },
            tmp_path / f"{cache.name}.log",
        )
        for cache in caches
    ]
    first, second = replicas

    def start(one: Replica, cache: Path) -> None:
        one.start()
        # A slow machine serves before it has chosen an engine.
        until(lambda: " runs on " in (tmp_path / f"{cache.name}.log").read_text())

    try:
        start(first, caches[0])
        with Client(first.url) as client:
            expected = features(client, pictures, batch=24)
        # As the second would have it after a race that the other engine won.
        shutil.copytree(caches[0], caches[1])
        (kept,) = caches[1].rglob("auto-auto.json")
        chosen = json.loads(kept.read_text())["chosen"]
        fastest = precisions(torch.device("cpu"))[0]
        names = [f"openvino-{fastest}", f"eager-{fastest}"]
        assert chosen in names
        other = next(name for name in names if name != chosen)
        kept.write_text(json.dumps({"chosen": other}))
        start(second, caches[1])
        with Client(second.url) as client:
            for batch in (1, 5, 24):
                assert_same(features(client, pictures, batch), expected)
        with Client(first.url) as client:
            assert_same(features(client, pictures, batch=1), expected)
    finally:
        for one in replicas:
            if one.is_started:
                one.kill()
