import time

import numpy as np
import pytest
import torch
from PIL import Image

from services.embedder.backbones.timm_backbone import preprocessing_of as of_timm
from services.embedder.backbones.torchvision_backbone import preprocessing_of as of_torchvision
from services.embedder.preprocess import Preprocessing

SIZES = [(300, 240), (240, 300), (97, 64), (1000, 130), (64, 64), (33, 400), (257, 256)]


def normalised(preprocessing, image):
    pixels = torch.from_numpy(preprocessing(image).copy()).permute(2, 0, 1) / 255
    mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
    return (pixels - mean[:, None, None]) / std[:, None, None]


def assert_alike(ours, theirs):
    # One step of 8 bits is at most 0.018 normalised; each of two passes may round the other way.
    difference = (ours - theirs).abs()
    assert difference.max() < 0.04
    assert difference.mean() < 0.002


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["mobilenet_v2", "vit_b_16", "inception_v3"])
def test_is_what_torchvision_does(name, size, picture, torchvision_models):
    models = torchvision_models
    transforms = next(iter(models.get_model_weights(name))).transforms()
    image = picture(1, size)
    ours = normalised(of_torchvision(transforms), image)
    assert_alike(ours, transforms(image))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["inception_resnet_v2", "resnet50", "vit_base_patch16_siglip_224"])
def test_is_what_timm_does(name, size, picture, timm):
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    image = picture(2, size)
    transform = timm.data.create_transform(**config)
    assert_alike(normalised(of_timm(config), image), transform(image))


@pytest.mark.parametrize("size", [(1, 1), (1, 60_000), (60_000, 1), (2, 3)])
def test_extreme_shapes_cost_little(size):
    started = time.process_time()
    pixels = Preprocessing((256, 256), (224, 224), "bicubic")(Image.new("RGB", size, (1, 2, 3)))
    assert pixels.shape == (224, 224, 3)
    np.testing.assert_array_equal(pixels.reshape(-1, 3).max(axis=0), [1, 2, 3])
    assert time.process_time() - started < 2
