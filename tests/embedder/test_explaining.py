"""Similarities split over the cells of a picture."""

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.mini_backbone import load_mini
from services.embedder.backbones.timm_backbone import preprocessing_of
from services.embedder.backbones.torchvision_backbone import drop_classifier
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.explaining.explainer import Explainer
from services.embedder.matching.network import MatchingNetwork
from services.embedder.preprocess import Preprocessing
from shared.contracts.explanation import Explanation
from shared.core.errors import Conflict
from shared.maths.projection import Projection
from shared.snapshots.transform import Transform
from tests.floats import assert_same

EXPLAIN = "/v1/explain/images"
OVERLAY = "/v1/explain/overlay"


def timm_backbone(name: str) -> Backbone:
    """A timm network with weights drawn by seed."""
    ensure_torchvision_ops()
    import timm
    from timm.data.config import resolve_model_data_config

    torch.manual_seed(0)
    module = timm.create_model(name, pretrained=False, num_classes=0)
    return Backbone(name, module, preprocessing_of(resolve_model_data_config(module)), "avg")


def torchvision_backbone(name: str) -> Backbone:
    ensure_torchvision_ops()
    from torchvision import models

    torch.manual_seed(0)
    module = models.get_model(name, weights=None)
    drop_classifier(module)
    return Backbone(name, module, Preprocessing((64, 64), (64, 64)), "pooled")


def drawn(backbone: Backbone, count: int) -> list[np.ndarray]:
    """Pictures of random blocks, as the network takes them."""
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)
    return [backbone.preprocessing(Image.fromarray(b).resize((200, 160))) for b in blocks]


def cosine_of(backbone: Backbone, a: np.ndarray, b: np.ndarray) -> float:
    """By the network as it serves, in fp32."""
    x, y = (np.asarray(row, np.float64) for row in backbone.features([a, b]))
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


class TestExact:
    def test_grids_of_many_pairs_sum_to_the_cosine(self):
        backbone, explainer = load_mini(), Explainer()
        pictures = drawn(backbone, 31)
        for a, b in itertools.pairwise(pictures):
            found = explainer.pair(backbone, [a, b])
            assert not found.approximate
            assert found.cosine == pytest.approx(cosine_of(backbone, a, b), abs=1e-5)
            for grid in found.grids:
                assert grid.shape == (4, 4)
                assert abs(grid.sum() - found.cosine) < 1e-5

    @pytest.mark.parametrize("width", [4, 64])
    def test_after_a_transform_grids_of_many_pairs_sum_to_the_cosine(self, width):
        backbone, explainer = load_mini(), Explainer()
        pictures = drawn(backbone, 31)
        features = np.stack(backbone.features(pictures))
        projection = Projection.learn(features, width)
        placed = Transform(f"pca:{width}", backbone.dim, projection)(features)
        for number, (a, b) in enumerate(itertools.pairwise(pictures)):
            found = explainer.pair(backbone, [a, b], projection)
            assert not found.approximate
            assert found.cosine == pytest.approx(
                float(placed[number] @ placed[number + 1]), abs=1e-4
            )
            for grid in found.grids:
                assert grid.shape == (4, 4)
                assert abs(grid.sum() - found.cosine) < 1e-5

    @pytest.mark.parametrize("name", ["resnet10t", "mobilenetv2_035", "regnetx_002"])
    def test_timm_networks_that_pool_an_average(self, name):
        self.check(timm_backbone(name))

    @pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121"])
    def test_torchvision_networks_that_pool_an_average(self, name):
        self.check(torchvision_backbone(name))

    def check(self, backbone: Backbone) -> None:
        a, b = drawn(backbone, 2)
        found = Explainer().pair(backbone, [a, b])
        assert not found.approximate
        assert found.cosine == pytest.approx(cosine_of(backbone, a, b), abs=1e-5)
        assert [grid.sum() for grid in found.grids] == pytest.approx([found.cosine] * 2, abs=1e-5)

    def test_the_cells_with_the_common_part_have_the_heat(self):
        backbone = load_mini()
        random = np.random.default_rng(1)
        part = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        pictures = [np.full((128, 128, 3), shade, np.uint8) for shade in (30, 220)]
        pictures[0][:64, :64] = part
        pictures[1][64:, 64:] = part
        first, second = Explainer().pair(backbone, pictures).grids
        assert first[:2, :2].sum() == max(g.sum() for g in quarters(first))
        assert second[2:, 2:].sum() == max(g.sum() for g in quarters(second))


def quarters(grid: np.ndarray) -> list[np.ndarray]:
    return [grid[y : y + 2, x : x + 2] for y in (0, 2) for x in (0, 2)]


class TestOthers:
    def test_a_network_that_is_not_linear_after_its_pool_says_that_it_is_about(self):
        backbone = timm_backbone("mobilenetv3_small_050")
        a, b = drawn(backbone, 2)
        found = Explainer().pair(backbone, [a, b])
        assert found.approximate
        assert found.cosine == pytest.approx(cosine_of(backbone, a, b), abs=1e-5)
        assert all(np.abs(grid).max() > 0 for grid in found.grids)

    def test_it_is_so_after_a_transform_too(self):
        backbone = timm_backbone("mobilenetv3_small_050")
        pictures = drawn(backbone, 20)
        features = np.stack(backbone.features(pictures))
        projection = Projection.learn(features, 6)
        found = Explainer().pair(backbone, pictures[:2], projection)
        placed = Transform("pca:6", backbone.dim, projection)(features)
        assert found.approximate
        assert found.cosine == pytest.approx(float(placed[0] @ placed[1]), abs=1e-4)
        whole = Explainer().pair(backbone, pictures[:2])
        assert not np.allclose(found.grids[0], whole.grids[0], atol=1e-3)

    def test_a_network_without_a_map_of_cells_is_refused(self):
        backbone = timm_backbone("test_vit")
        with pytest.raises(Conflict, match="doesn't pool a map"):
            Explainer().pair(backbone, drawn(backbone, 2))

    def test_the_network_that_serves_is_left_alone(self):
        backbone = load_mini()
        a, b = drawn(backbone, 2)
        before = backbone.features([a])[0]
        Explainer().pair(backbone, [a, b])
        assert not any(module._forward_hooks for module in backbone.network.modules())
        assert_same(backbone.features([a])[0], before)

    def test_by_the_matching_network_it_is_about(self):
        backbone = load_mini()
        matching = MatchingNetwork(backbone.dim, 8, 32, 16).requires_grad_(False)
        for number, tower in enumerate((matching.image, matching.word)):
            tower.initialise(torch.Generator().manual_seed(number))
        a, b = drawn(backbone, 2)
        found = Explainer().joint(backbone, matching, [a, b])
        assert found.approximate
        x, y = matching.project_images(np.stack(backbone.features([a, b])))
        assert found.cosine == pytest.approx(float(x @ y), abs=1e-5)
        word = np.arange(8, dtype=np.float32)
        term = matching.project_words(word[None])[0]
        found = Explainer().joint(backbone, matching, [a], term)
        assert len(found.grids) == 1
        expected = float(x @ term)
        assert found.cosine == pytest.approx(expected, abs=1e-5)


class TestService:
    def test_numbers(self, service, encoded):
        files = [encoded("JPEG", seed=1), encoded("PNG", seed=2)]
        answer = service.request("POST", EXPLAIN, files=[("files", f) for f in files])
        assert answer.status_code == 200, answer.text
        found = Explanation.model_validate_json(answer.content)
        assert not found.approximate
        for heat in found.heats:
            assert np.array(heat.grid).sum() == pytest.approx(found.cosine, abs=1e-5)
            assert 0 <= heat.seen.left < heat.seen.right <= 1

    def test_numbers_after_a_transform(self, service, encoded):
        files = [("files", encoded("JPEG", seed=seed)) for seed in (1, 2)]
        rows = np.random.default_rng(0).normal(size=(9, 256)).astype("<f4") / 16
        answer = service.request("POST", EXPLAIN, files=[*files, ("transform", rows.tobytes())])
        assert answer.status_code == 200, answer.text
        found = Explanation.model_validate_json(answer.content)
        for heat in found.heats:
            assert np.array(heat.grid).sum() == pytest.approx(found.cosine, abs=1e-5)
        whole = service.request("POST", EXPLAIN, files=files).json()
        assert found.cosine != pytest.approx(whole["cosine"], abs=1e-3)

    @pytest.mark.parametrize(
        ("parts", "params", "told"),
        [
            ([b"\0" * 1023], {}, "no transform of features of 256"),
            ([b"\0" * 2048] * 2, {}, "Send one part `transform`"),
            ([b"\0" * 2048], {"space": "joint"}, "of the visual space"),
        ],
    )
    def test_transforms_that_are_none(self, service, encoded, parts, params, told):
        files = [("files", encoded("JPEG", seed=seed)) for seed in (1, 2)]
        files += [("transform", part) for part in parts]
        answer = service.request("POST", EXPLAIN, files=files, params=params)
        assert answer.status_code == 422
        assert told in answer.json()["detail"]

    def test_an_overlay_has_the_shape_of_the_picture(self, service, encoded):
        files = [encoded("JPEG", seed=1), encoded("PNG", seed=2)]
        size = Image.open(io.BytesIO(files[0])).size
        answer = service.request("POST", OVERLAY, files=[("files", f) for f in files])
        assert answer.headers["content-type"] == "image/png"
        page = Image.open(io.BytesIO(answer.content))
        assert max(page.width, page.height) >= 512
        assert page.width / (page.height - 32) == pytest.approx(size[0] / size[1], rel=0.02)

    @pytest.mark.parametrize("count", [1, 3])
    def test_two_files_are_asked_for(self, service, encoded, count):
        files = [("files", encoded("PNG", seed=i)) for i in range(count)]
        answer = service.request("POST", EXPLAIN, files=files)
        assert answer.status_code == 422
        assert "Send 2 files" in answer.json()["detail"]

    def test_a_file_that_is_no_picture(self, service, encoded):
        files = [("files", encoded("PNG", seed=1)), ("files", b"no picture")]
        answer = service.request("POST", EXPLAIN, files=files)
        assert answer.status_code == 422
        assert answer.json()["type"].endswith("bad-image")
