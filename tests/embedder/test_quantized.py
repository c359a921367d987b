"""int8 is a model of its own: quantised once, refused where it disagrees, kept for later starts."""

import importlib.util
import json
import logging
import re

import numpy as np
import pytest
import torch
from torch import nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.engines import processor
from services.embedder.engines.agreement import least_cosine
from services.embedder.engines.calibration import calibration_of
from services.embedder.engines.choice import EngineOptions
from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.pictures import drawn
from services.embedder.engines.quantized import (
    Calibration,
    QuantizedNetwork,
    drawn_calibration,
    fingerprint_of,
)
from services.embedder.preprocess import Preprocessing
from shared.core.errors import Misconfigured
from tests.floats import assert_same

pytestmark = pytest.mark.floats
SIZE = (48, 48)
with_nncf = pytest.mark.skipif(
    importlib.util.find_spec("nncf") is None, reason="nncf isn't installed (the extra int8)"
)


class Small(nn.Module):
    """Two convolutions, with features that differ from picture to picture."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 32, 3, 2), nn.Conv2d(32, 64, 3, 2)

    def forward(self, images):
        return self.second(self.first(images).relu()).relu().mean(dim=(2, 3))


class Fine(nn.Module):
    """Features that are lost in low precision: small differences of large numbers."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(3, 8, 1)
        nn.init.constant_(self.map.bias, 1000.0)

    def forward(self, images):
        return self.map(images).mean(dim=(2, 3)) - 1000


@pytest.fixture
def small():
    return Backbone("small", Small(), Preprocessing(SIZE, SIZE), "avg")


def int8(cache_dir=None, calibration=None):
    return EngineOptions(precision=Precision.INT8, cache_dir=cache_dir, calibration=calibration)


@pytest.mark.slow
@with_nncf
def test_int8_has_a_fingerprint_of_its_own_and_is_made_once(small, tmp_path, monkeypatch):
    exact = small.fingerprint
    monkeypatch.setattr(processor, "is_busy", lambda: False)
    told = []
    small.run_by(int8(tmp_path), tell=told.append)
    assert re.fullmatch(rf"{exact} is quantised to int8, once, which takes about \d+ s\.", *told)
    assert small.engine == "openvino-int8"
    assert small.fingerprint == fingerprint_of(exact, drawn_calibration(SIZE)) != exact
    assert small.fingerprint.startswith("small-")
    assert small.speed is not None
    pixels = drawn(*SIZE, range(5))
    features = np.stack(small.features(list(pixels)))
    assert least_cosine(features, EagerEngine(small.network)(pixels)) >= 0.995

    def never(*_):
        raise AssertionError("quantised again")

    monkeypatch.setattr(QuantizedNetwork, "_quantized", never)
    again = Backbone("small", Small(), Preprocessing(SIZE, SIZE), "avg")
    again.run_by(int8(tmp_path), tell=told.append)
    assert len(told) == 1
    assert again.fingerprint == small.fingerprint
    assert again.speed == small.speed
    assert_same(np.stack(again.features(list(pixels))), features)


@pytest.mark.slow
@with_nncf
def test_int8_is_refused_where_features_disagree_and_stays_refused(tmp_path, caplog, monkeypatch):
    backbone = Backbone("fine", Fine(), Preprocessing(SIZE, SIZE), "avg")
    exact = backbone.fingerprint
    backbone.run_by(int8(tmp_path))
    assert backbone.fingerprint == exact
    assert not backbone.engine.endswith("int8")
    assert "doesn't run in int8: the cosine of its features" in caplog.text
    (kept,) = tmp_path.rglob("result.json")
    assert json.loads(kept.read_text())["least_cosine"] < 0.995

    def never(*_):
        raise AssertionError("quantised again")

    monkeypatch.setattr(QuantizedNetwork, "_quantized", never)
    backbone.run_by(int8(tmp_path))
    assert backbone.fingerprint == exact


def test_without_the_package_int8_is_not_run_and_the_log_says_what_to_install(
    small, monkeypatch, caplog
):
    def without(name, *rest, find=importlib.util.find_spec):
        return None if name == "nncf" else find(name, *rest)

    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(importlib.util, "find_spec", without)
    exact = small.fingerprint
    small.run_by(int8())
    assert small.fingerprint == exact
    assert "pip install 'image-search-engine[int8]'" in caplog.text


def test_another_calibration_is_another_model():
    one, other = (
        Calibration(drawn(*SIZE, range(start, start + 2)), drawn(*SIZE, range(9, 10)))
        for start in (0, 1)
    )
    assert fingerprint_of("small-1", one) == fingerprint_of("small-1", one)
    assert fingerprint_of("small-1", one) != fingerprint_of("small-1", other)
    assert fingerprint_of("small-1", one) != fingerprint_of("small-2", one)


def test_pictures_of_the_user_calibrate_and_others_of_them_check(tmp_path, encoded):
    preprocessing = Preprocessing(SIZE, SIZE)
    for seed in range(50):
        (tmp_path / f"{seed:02}.jpg").write_bytes(encoded(seed=seed))
    (tmp_path / "notes.txt").write_text("no picture")
    calibration = calibration_of(tmp_path, preprocessing)
    assert (len(calibration.pixels), len(calibration.held_out)) == (40, 10)
    assert calibration.digest == calibration_of(tmp_path, preprocessing).digest


def test_too_few_pictures_are_told(tmp_path, encoded):
    (tmp_path / "one.jpg").write_bytes(encoded())
    with pytest.raises(Misconfigured, match="has 1 pictures that can be read"):
        calibration_of(tmp_path, Preprocessing(SIZE, SIZE))
