"""The embedder's benchmark from end to end, small; and what it says of features."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import report_embedding
from benchmarks.embedding import agreement, gpu, ingest, measuring, speed
from services.embedder.engines.eager import CPU
from services.embedder.engines.engine_options import Inference
from services.embedder.registry import load_backbone

_MACHINE = {"commit": "c", "changed": False, "processor": "p", "cores": 1, "memory_gib": 1}
MEASURED = {"measured_at": "2026", "machine": {**_MACHINE, "python": "3", "packages": {}}}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(48):
        small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(small).resize((120, 90)).save(folder / f"{seed}.jpg")
    return folder


@pytest.mark.slow
def test_every_way_is_timed_and_gives_the_same_features(photos, tmp_path):
    rules = speed.Rules(rounds=2, images=2, files_a_call=4, batches=(1, 2))
    rounds = []

    def keep(found):
        rounds.append(len(found["contenders"][speed.HTTP]["rounds"]))

    found = measuring.measure("mini", {}, photos, tmp_path, rules, keep)
    assert rounds == [1, 2]
    assert not found["random_weights"]
    assert found["http_least_cosine"] >= 0.999
    names = list(found["contenders"])
    assert names[0] == speed.PLAIN
    assert names[-1] == speed.HTTP
    assert all(e["images_per_second"] > 0 for e in found["contenders"].values())
    assert found["contenders"][speed.PLAIN]["times_plain"] == 1
    page = report_embedding.embedding({**MEASURED, **found})
    assert "## Embedding: mini at 128x128, trained weights" in page
    assert all(name in page for name in names)


@pytest.mark.slow
def test_a_gpu_is_measured_beside_a_bare_loop_and_the_decoder(photos, tmp_path):
    asked = gpu.Asked(CPU, Inference.EAGER, batch=8, rounds=1)
    found = gpu.measure("mini", {}, photos, tmp_path, asked)
    assert found["engine"].startswith("eager-")
    assert set(found["images_per_second"]) == {gpu.BARE, gpu.OURS, gpu.DECODER, gpu.HTTP}
    assert all(rate > 0 for rate in found["images_per_second"].values())
    assert found["single_over_http_ms"]["whole"] > found["single_over_http_ms"]["beyond_decoding"]
    page = report_embedding.on_gpu({**MEASURED, **found})
    assert "## On a GPU: mini, CPU" in page
    assert f"{found['of_the_lower']:.0%} of the lower" in page


@pytest.mark.slow
def test_an_ingest_is_set_beside_the_embedder_alone(photos, tmp_path):
    found = ingest.measure("mini", {}, photos, tmp_path, rounds=1, asked=20)
    assert found["photos"] == 48
    assert found["share"] > 0
    assert found["ingests"][0]["embedded_s"] <= found["ingests"][0]["seconds"]
    assert found["waiting"]["asked_during"] > 0
    page = report_embedding.ingest({**MEASURED, **found})
    assert "## Ingest: 48 photos, mini" in page


def test_features_that_are_off_are_told(photos, monkeypatch):
    backbone = load_backbone("mini")
    files = [path.read_bytes() for path in sorted(photos.iterdir())]

    class Noisy:
        name = "noisy"

        def __call__(self, pixels):
            exact = speed.EagerEngine(backbone.network)(pixels)
            return exact + np.float32(0.5) * exact[:, ::-1]

    engines = [speed.EagerEngine(backbone.network), Noisy()]
    monkeypatch.setattr(speed, "engines", lambda _: engines)
    kinds = [str(number % 2) for number in range(len(files))]
    found = agreement.compare(backbone, files, kinds)
    (told,) = found["engines"].values()
    assert 0 < found["precision"] < 1
    assert told["precision_shift_points"] != 0
    assert told["least_cosine"] < 0.99
    assert told["under_agreement"] == len(files)
    assert told["overlap"] < 0.95


@pytest.mark.slow
def test_what_engines_do_is_told_with_the_network(photos, tmp_path):
    found = measuring.agree("mini", {}, photos, tmp_path, compared=40)
    assert all(told["least_cosine"] > 0.999 for told in found["engines"].values())
    page = report_embedding.agreement({**MEASURED, **found})
    assert "## Agreement of engines: mini at 128x128, trained weights" in page
