"""Engines give the features of eager fp32, and the choice among them is measured and kept."""

import importlib.util
import json
import logging
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.config import EmbedderSettings
from services.embedder.engines import choice, openvino, processor
from services.embedder.engines.choice import Chooser, EngineOptions
from services.embedder.engines.eager import CPU, EagerEngine
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.mixed import MixedEngine
from services.embedder.engines.openvino import OpenVINOEngine
from services.embedder.engines.pictures import built_in
from services.embedder.preprocess import Preprocessing
from services.embedder.registry import load_backbone
from shared.maths.floats import SAME_FEATURES, furthest
from shared.media.images import decode
from tests.embedder.bf16 import with_bf16
from tests.floats import assert_same, least_cosine

pytestmark = pytest.mark.floats


PRECISIONS = processor.precisions(CPU)


def chosen(backbone, **wish):
    network = backbone.network
    return (
        Chooser(network, backbone.preprocessing.crop, backbone.fingerprint, EngineOptions(**wish))
        .choose()
        .engine
    )


@pytest.mark.parametrize(
    ("kind", "precision"),
    [
        (kind, precision)
        for kind in (Inference.EAGER, Inference.OPENVINO)
        for precision in PRECISIONS
        if kind is Inference.OPENVINO or precision is not Precision.MIXED
    ],
)
def test_features_of_decoded_pictures_are_those_of_eager_fp32(backbone, files, kind, precision):
    pixels = np.stack([backbone.preprocessing(decode(data)) for data in files])
    expected = np.concatenate([EagerEngine(backbone.network)(row[None]) for row in pixels])
    engine = chosen(backbone, inference=kind, precision=precision)
    assert engine.name == f"{kind}-{precision}"
    assert engine(pixels).dtype == np.float32
    for size in (1, 3, 7):
        parts = [engine(pixels[start : start + size]) for start in range(0, len(pixels), size)]
        assert least_cosine(np.concatenate(parts), expected) >= 0.999
    # They are of these pictures, and not alike for all.
    assert least_cosine(engine(pixels), np.roll(expected, 1, axis=0)) < 0.999


def test_an_engine_does_not_change_the_fingerprint():
    backbone = load_backbone("mini")
    before = backbone.fingerprint
    backbone.run_by(EngineOptions(inference=Inference.OPENVINO))
    assert backbone.engine.startswith("openvino-")
    assert backbone.fingerprint == before


def test_auto_measures_once_and_remembers(mini, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    wish = {"precision": Precision.FP32, "cache_dir": tmp_path}
    first = chosen(mini, **wish)
    (kept,) = tmp_path.rglob("auto-fp32.json")
    content = json.loads(kept.read_text())
    assert content["chosen"] == first.name
    assert set(content["images_per_second"]) == {"openvino-fp32", "eager-fp32"}
    assert "images per second" in caplog.text
    # What was kept is what is taken, also where another is the faster.
    other = (set(content["images_per_second"]) - {first.name}).pop()
    kept.write_text(json.dumps({**content, "chosen": other}))
    caplog.clear()
    assert chosen(mini, **wish).name == other
    assert "as measured before" in caplog.text
    assert "(images per second" not in caplog.text


@pytest.mark.parametrize("fastest", [Inference.EAGER, Inference.OPENVINO])
@pytest.mark.parametrize("precision", [Precision.AUTO, Precision.FP32])
def test_whichever_engine_wins_the_race_features_are_the_same(
    mini, files, monkeypatch, precision, fastest
):
    pixels = np.stack([mini.preprocessing(decode(data)) for data in files])
    expected = chosen(mini, precision=precision)(pixels)

    def won(engines, _):
        return {engine.name: float(engine.name.startswith(fastest)) for engine in engines}

    monkeypatch.setattr(choice, "images_per_second", won)
    found = chosen(mini, precision=precision)
    assert furthest(found(pixels), expected) <= SAME_FEATURES


@with_bf16
@pytest.mark.parametrize("remembered", ["eager-bf16", "openvino-fp32", "eager-fp32"])
def test_what_an_earlier_version_remembers_does_not_bring_other_features_back(
    mini, tmp_path, remembered
):
    first = chosen(mini, cache_dir=tmp_path)
    (kept,) = tmp_path.rglob("auto-auto.json")
    kept.write_text(json.dumps({"chosen": remembered}))
    assert chosen(mini, cache_dir=tmp_path).name == first.name == "openvino-bf16"


@pytest.mark.parametrize("kind", [Inference.EAGER, Inference.OPENVINO])
def test_no_features_depend_on_the_batch(backbone, files, kind):
    pixels = np.stack([backbone.preprocessing(decode(data)) for data in files])
    engine = chosen(backbone, inference=kind)
    alone = np.concatenate([engine(row[None]) for row in pixels])
    for size in (2, 5, 7):
        parts = [engine(pixels[start : start + size]) for start in range(0, len(pixels), size)]
        assert_same(np.concatenate(parts), alone)


def test_without_avx512_there_is_no_bf16(monkeypatch):
    monkeypatch.setattr(processor, "_fact", lambda *_: "avx2 avx512f avx512_bf16")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    with_it = processor.name(CPU)
    assert processor.precisions(CPU) == [Precision.BF16, Precision.MIXED, Precision.FP32]
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert processor.precisions(CPU) == [Precision.FP32]
    assert processor.name(CPU) != with_it


def test_a_choice_holds_for_its_model_and_its_wish_only(mini, small_resnet, tmp_path):
    chosen(mini, cache_dir=tmp_path)
    chosen(small_resnet, cache_dir=tmp_path)
    chosen(mini, cache_dir=tmp_path, precision=Precision.FP32)
    kept = sorted(path.name for path in tmp_path.rglob("*.json"))
    assert kept == ["auto-auto.json", "auto-auto.json", "auto-fp32.json"]


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("", "[]", '{"chosen": "abacus"}', '{"chosen": "", "refused": 1}')
        ),
    ],
)
def test_a_damaged_memory_is_measured_anew(mini, tmp_path, content):
    first = chosen(mini, cache_dir=tmp_path)
    (kept,) = tmp_path.rglob("auto-auto.json")
    kept.write_text(content)
    chosen(mini, cache_dir=tmp_path)
    assert json.loads(kept.read_text())["chosen"].split("-")[1] == first.name.split("-")[1]


def test_a_converted_network_is_kept_and_read_again(mini, tmp_path, monkeypatch):
    wish = {"inference": Inference.OPENVINO, "cache_dir": tmp_path}
    pixels = built_in(128, 128)
    expected = chosen(mini, **wish)(pixels)

    def never(*_):
        raise AssertionError("converted again")

    monkeypatch.setattr(openvino, "converted", never)
    assert_same(chosen(mini, **wish)(pixels), expected)


def test_a_damaged_converted_network_is_made_anew(mini, tmp_path):
    wish = {"inference": Inference.OPENVINO, "cache_dir": tmp_path}
    chosen(mini, **wish)
    (kept,) = tmp_path.rglob("*.xml")
    whole = kept.read_bytes()
    kept.write_bytes(b"not a network")
    assert chosen(mini, **wish).name.startswith("openvino-")
    assert kept.read_bytes()[:20] == whole[:20]


def test_a_folder_that_cannot_be_written_to_costs_no_more_than_a_log_line(mini, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert chosen(mini, cache_dir=blocked).name
    assert "ISE_CACHE_DIR" in caplog.text


def test_a_large_jpeg_decoded_at_a_part_of_its_size_has_the_same_features(mini, picture, encoded):
    tiles = np.tile(
        np.hstack([np.asarray(picture(seed, (240, 240))) for seed in range(6)]), (6, 1, 1)
    )
    grain = np.random.default_rng(0).normal(scale=20, size=tiles.shape)
    noisy = Image.fromarray(np.clip(tiles + grain, 0, 255).astype(np.uint8))
    data = encoded(image=noisy, quality=90)
    least = mini.preprocessing.least
    assert min(decode(data).size) > min(decode(data, least=least).size) >= least
    rows = [mini.preprocessing(image) for image in (decode(data), decode(data, least=least))]
    whole, part = mini.features(rows)
    assert least_cosine(part[None], whole[None]) >= 0.9999


class Wrong(OpenVINOEngine):
    """Takes the wrong colour for the first."""

    def __call__(self, pixels):
        return super().__call__(np.ascontiguousarray(pixels[..., ::-1]))


class WrongMixed(MixedEngine):
    """Does the same."""

    def __call__(self, pixels):
        return super().__call__(np.ascontiguousarray(pixels[..., ::-1]))


def test_an_engine_with_other_features_is_refused(mini, monkeypatch, caplog):
    monkeypatch.setattr(choice, "OpenVINOEngine", Wrong)
    monkeypatch.setattr(choice, "MixedEngine", WrongMixed)
    engine = chosen(mini, inference=Inference.OPENVINO)
    assert engine.name.startswith("eager-")
    assert "mini" in caplog.text
    assert "doesn't run on openvino" in caplog.text
    assert "less than 0.999" in caplog.text


class Fine(nn.Module):
    """Features that are lost in low precision: small differences of large numbers."""

    def forward(self, images):
        large = images.mean(dim=(2, 3)) * 1e-3 + 1000
        return (nn.functional.linear(large, torch.eye(3)) - 1000).repeat(1, 4)


def test_a_network_that_low_precision_spoils_runs_in_fp32(caplog):
    backbone = Backbone("fine", Fine(), Preprocessing((32, 32), (32, 32)), "mean")
    assert chosen(backbone).name.endswith("-fp32")
    if PRECISIONS != [Precision.FP32]:
        assert "doesn't run on eager-bf16" in caplog.text


def test_a_precision_that_was_refused_is_not_tried_at_the_next_start(tmp_path, caplog):
    backbone = Backbone("fine", Fine(), Preprocessing((32, 32), (32, 32)), "mean")
    wish = {"inference": Inference.OPENVINO, "cache_dir": tmp_path}
    first = chosen(backbone, **wish)
    caplog.clear()
    assert chosen(backbone, **wish).name == first.name
    assert "doesn't run on" not in caplog.text
    if PRECISIONS != [Precision.FP32]:
        (kept,) = tmp_path.rglob("openvino-auto.json")
        assert json.loads(kept.read_text())["refused"] == ["openvino-bf16"]


class Picky(nn.Module):
    """Has an operator that torch lacks in low precision."""

    def forward(self, images):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError('"picky" not implemented for BFloat16')
        return images.mean(dim=(2, 3))


@with_bf16
def test_a_network_that_torch_cannot_run_in_low_precision_runs_in_fp32(tmp_path, caplog):
    backbone = Backbone("picky", Picky(), Preprocessing((32, 32), (32, 32)), "mean")
    wish = {"inference": Inference.EAGER, "cache_dir": tmp_path}
    assert chosen(backbone, **wish).name == "eager-fp32"
    assert "not implemented for BFloat16" in caplog.text
    # Memory may have been short: it is tried again at the next start.
    caplog.clear()
    assert chosen(backbone, **wish).name == "eager-fp32"
    assert "not implemented for BFloat16" in caplog.text


def test_without_the_package_the_eager_engine_takes_over(mini, monkeypatch, caplog):
    def without(name, *rest, find=importlib.util.find_spec):
        return None if name == "openvino" else find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert chosen(mini, inference=Inference.OPENVINO).name.startswith("eager-")
    (told,) = [record.message for record in caplog.records]
    assert "openvino isn't installed" in told
    assert "pip install openvino" in told


def test_a_precision_that_the_device_lacks_is_said_and_fp32_taken(mini, caplog):
    assert chosen(mini, precision=Precision.FP16).name == "eager-fp32"
    assert "cpu has no fast fp16" in caplog.text


def test_conversion_reports_nothing_to_anyone(mini, monkeypatch):
    telemetry = pytest.importorskip("openvino_telemetry")

    def reported(*_, **__):
        raise AssertionError("telemetry")

    monkeypatch.setattr(telemetry.Telemetry, "__init__", reported)
    monkeypatch.setattr("openvino.tools.ovc.telemetry_utils.init_ovc_telemetry", reported)
    OpenVINOEngine(mini.network, (128, 128), Precision.FP32)


def test_an_unknown_engine_is_refused_with_the_choices(monkeypatch):
    monkeypatch.setenv("ISE_INFERENCE", "tensorrt")
    with pytest.raises(ValueError, match="'auto', 'eager', 'compile' or 'openvino'"):
        EmbedderSettings(_env_file=None)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.timeout(1800)
def test_compiled_features_are_those_of_eager_fp32(mini, files):
    pixels = np.stack([mini.preprocessing(decode(data)) for data in files])
    engine = chosen(mini, inference=Inference.COMPILE, precision=Precision.FP32)
    assert engine.name == "compile-fp32"
    assert_same(engine(pixels), EagerEngine(mini.network)(pixels))


@pytest.mark.slow
def test_without_a_compiler_the_eager_engine_takes_over(mini, monkeypatch, caplog):
    monkeypatch.setenv("CXX", "/no/such/compiler")
    assert chosen(mini, inference=Inference.COMPILE).name.startswith("eager-")
    (told,) = [record.message for record in caplog.records if record.name.startswith("services.")]
    assert "can't run on compile" in told


def test_the_built_in_pictures_are_always_the_same():
    pictures = built_in(64, 48)
    assert pictures.shape[1:] == (64, 48, 3)
    np.testing.assert_array_equal(pictures, built_in(64, 48))
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
