import importlib
import importlib.util
import json
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.registry import load_backbone
from services.embedder.towers.text_tower import load_text_tower
from shared.clients import embedder
from shared.contracts.embedder import ImageSpace, TermSpace
from shared.core.errors import Conflict, FingerprintMismatch, Misconfigured
from tests.embedder.towers import CONFIG, PREPROCESSING, save_towers

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None, reason="needs open_clip: the extra `clip`"
)

TERMS = ["a red car in the snow", "dog", "New_York at night", "łódź ☂", "x" * 500, ""]


@pytest.fixture(scope="module")
def open_clip():
    ensure_torchvision_ops()
    return importlib.import_module("open_clip")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_towers(tmp_path_factory.mktemp("towers"))


def text_tower(folder, weights=""):
    name = f"open_clip:local-dir:{folder}"
    return load_text_tower(name, weights, "ISE_MATCHING_WEIGHTS", 1, torch.device("cpu"))


def image_tower(folder, weights=""):
    return load_backbone(f"open_clip:local-dir:{folder}", weights)


def cosines(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_both_towers_give_what_open_clip_gives(folder, open_clip, picture):
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    pictures = [picture(seed, size) for seed, size in enumerate([(200, 120), (64, 64), (90, 300)])]
    with torch.no_grad():
        text = model.encode_text(tokenize([term.replace("_", " ") for term in TERMS])).numpy()
        images = model.encode_image(torch.stack([prepare(p) for p in pictures])).numpy()
    np.testing.assert_allclose(np.stack(text_tower(folder).embed(TERMS)), text, atol=1e-4)
    backbone = image_tower(folder)
    found = np.stack(backbone.features([backbone.preprocessing(p) for p in pictures]))
    assert cosines(found, images).min() > 0.9999


def test_many_terms_give_what_each_gives_alone(folder):
    tower = text_tower(folder)
    terms = [f"number {n}" for n in range(150)]
    together = np.stack(tower.embed(terms))
    alone = np.stack([tower.embed([term])[0] for term in terms[::29]])
    np.testing.assert_allclose(together[::29], alone, atol=1e-5)


def test_fingerprints_tell_towers_apart_and_not_where_they_lie(folder, tmp_path):
    def fingerprints(path, weights=""):
        return image_tower(path, weights).fingerprint, text_tower(path, weights).fingerprint

    first = fingerprints(folder)
    assert fingerprints(save_towers(tmp_path / "same")) == first
    as_one = fingerprints(save_towers(tmp_path / "custom", custom=True))
    weights = save_towers(tmp_path / "seed", seed=1) / "open_clip_model.safetensors"
    other = fingerprints(folder, str(weights))
    heads = {**CONFIG["text_cfg"], "heads": 4}
    shape = fingerprints(save_towers(tmp_path / "heads", text_cfg=heads))
    assert as_one[0].startswith("open_clip-local-")
    assert not set(other) & set(first)
    assert shape[0] == first[0]
    assert shape[1] != first[1]


def test_pictures_may_be_squashed_and_padding_is_refused(folder, tmp_path):
    path = save_towers(tmp_path / "other")
    described = {"model_cfg": CONFIG, "preprocess_cfg": PREPROCESSING | {"resize_mode": "squash"}}
    (path / "open_clip_config.json").write_text(json.dumps(described))
    preprocessing = image_tower(path).preprocessing
    assert preprocessing.squash
    assert preprocessing(Image.new("RGB", (300, 20))).shape == (64, 64, 3)
    described["preprocess_cfg"] |= {"resize_mode": "longest"}
    (path / "open_clip_config.json").write_text(json.dumps(described))
    with pytest.raises(Misconfigured, match="longest"):
        image_tower(path)


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("ViT-B32", r"no model of open_clip\. Did you mean ViT-B-32"),
            ("ViT-B-32", r"open_clip:ViT-B-32/<tag>, or set ISE_WEIGHTS"),
            ("ViT-B-32/no_such_tag", r"laion2b_s34b_b79k"),
            ("local-dir:/no/such", r"/no/such/open_clip_config\.json can't be read"),
        ],
    )
    def test_a_sentence_names_what_would_do(self, name, told):
        with pytest.raises(Misconfigured, match=told):
            load_backbone(f"open_clip:{name}")

    @pytest.mark.parametrize("name", ["ViT-B-32/laion2b_s34b_b79k", "hf-hub:timm/vit"])
    def test_a_hub_that_cannot_be_reached_is_told(self, name, monkeypatch, tmp_path):
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(Misconfigured, match=r"can't be downloaded .*refused.*ISE_WEIGHTS"):
            load_backbone(f"open_clip:{name}")

    def test_weights_of_another_model(self, folder, tmp_path):
        safetensors.torch.save_file({"stem": torch.zeros(1)}, tmp_path / "x.safetensors")
        with pytest.raises(Misconfigured, match=r"x\.safetensors doesn't fit .*ISE_MATCHING"):
            image_tower(folder, str(tmp_path / "x.safetensors"))

    def test_pickles(self, folder, tmp_path):
        torch.save({"visual.proj": torch.zeros(1)}, tmp_path / "x.pt")
        with pytest.raises(Misconfigured, match="Pickled weights"):
            text_tower(folder, str(tmp_path / "x.pt"))

    def test_a_folder_with_pickles_alone(self, folder, tmp_path):
        path = save_towers(tmp_path / "pickled")
        weights = path / "open_clip_model.safetensors"
        torch.save(safetensors.torch.load_file(weights), path / "open_clip_pytorch_model.bin")
        weights.unlink()
        with pytest.raises(Misconfigured, match=r"no file .*open_clip_model\.safetensors"):
            image_tower(path)

    def test_a_description_that_is_none(self, tmp_path):
        (tmp_path / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 3}}')
        with pytest.raises(Misconfigured, match="vision_cfg"):
            image_tower(tmp_path)

    def test_a_description_that_makes_no_towers(self, tmp_path):
        path = save_towers(tmp_path / "odd")
        described = {"model_cfg": CONFIG | {"multimodal_cfg": {}}}
        (path / "open_clip_config.json").write_text(json.dumps(described))
        with pytest.raises(Misconfigured, match="can't make the towers"):
            image_tower(path)

    def test_a_missing_extra(self, folder, monkeypatch):
        monkeypatch.setitem(sys.modules, "open_clip", None)
        with pytest.raises(Misconfigured, match=r"image-search-engine\[clip\]"):
            image_tower(folder)

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"matching": "siglip"}, "ISE_MATCHING=siglip"),
            ({"matching_backbone": "mini"}, "unset ISE_MATCHING_BACKBONE"),
        ],
    )
    def test_settings_that_contradict(self, start, folder, tmp_path, changes, told):
        settings = {"matching": f"open_clip:local-dir:{folder}"} | changes
        with start(tmp_path, ready=False, **settings) as service:
            assert service.failed.wait(60)
            answer = service.request("GET", "/ready")
            assert answer.status_code == 503
            assert told in answer.text


@pytest.fixture(scope="module")
def hosting(start, folder, tmp_path_factory):
    name = f"open_clip:local-dir:{folder}"
    with start(tmp_path_factory.mktemp("data"), matching=name) as service:
        yield service


class TestService:
    def test_the_models_are_told(self, hosting):
        models = hosting.send(embedder.list_models())
        assert models.visual.architecture == "mini"
        assert models.matching.architecture == models.words.architecture == "open_clip:local"
        assert models.matching.dim == models.words.dim == 48
        assert models.networks == [models.joint]

    def test_images_and_sentences_are_unit_vectors_of_one_space(self, hosting, encoded):
        images = hosting.send(embedder.embed_images([encoded()], ImageSpace.JOINT))
        terms = hosting.send(embedder.embed_terms(TERMS, TermSpace.JOINT))
        plain = hosting.send(embedder.embed_terms(TERMS, TermSpace.WORD))
        raw = hosting.send(embedder.embed_images([encoded()], ImageSpace.MATCHING))
        joint = hosting.send(embedder.list_models()).joint
        assert images.fingerprint == terms.fingerprint == joint
        assert images.vectors.shape == (1, 48)
        np.testing.assert_allclose(np.linalg.norm(terms.vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(images.vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(cosines(plain.vectors, terms.vectors), 1, atol=1e-5)
        projected = hosting.send(embedder.project(raw.vectors, raw.fingerprint, joint))
        np.testing.assert_allclose(projected.vectors, images.vectors, atol=1e-3)

    def test_another_joint_space_is_refused(self, hosting):
        with pytest.raises(FingerprintMismatch, match=r"match-0123.*towers-.*ise build"):
            hosting.send(embedder.embed_terms(["dog"], network="match-0123"))

    def test_there_is_nothing_to_train(self, hosting):
        answer = hosting.request("POST", "/v1/matching/train", json={"training_set": "x"})
        assert answer.status_code == 409
        assert "ISE_MATCHING" in answer.json()["detail"]

    def test_a_tower_without_cells_can_not_be_explained(self, hosting, encoded):
        with pytest.raises(Conflict, match="pool a map of cells"):
            hosting.send(embedder.explain_images([encoded()], ImageSpace.JOINT, "dog"))


def test_one_tower_may_serve_both_searches(start, folder, tmp_path):
    name = f"open_clip:local-dir:{folder}"
    weights = str(folder / "open_clip_model.safetensors")
    changes = {"backbone": name, "matching": name, "weights": weights}
    with start(tmp_path, **changes) as service:
        models = service.send(embedder.list_models())
        assert models.visual == models.matching
