"""Which JPEGs a GPU may decode, and how they are scaled; the GPU's own tests need one."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from services.embedder.backbones.gpu_decoding import GpuDecoder, gpu_decoder, prepared
from services.embedder.backbones.torchvision_ops import compiled_ops_load
from services.embedder.decoding.plain_jpeg import size_if_plain
from services.embedder.engines.agreement import least_cosine
from services.embedder.preprocess import Preprocessing
from services.embedder.registry import load_backbone

MOST = 100_000_000
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": turned(1)}])
def test_a_plain_jpeg_has_its_size(options, encoded, picture):
    data = encoded(image=picture(size=(120, 90)), **options)
    assert size_if_plain(data, MOST) == (120, 90)


@pytest.mark.parametrize("options", [{"exif": turned(6)}, {"icc_profile": PROFILE}])
def test_a_jpeg_that_needs_more_than_decoding_is_none(options, encoded):
    assert size_if_plain(encoded(**options), MOST) is None


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_channels_are_for_the_processes(mode, encoded, picture):
    assert size_if_plain(encoded(image=picture().convert(mode)), MOST) is None


def test_other_files_and_parts_of_files_are_for_the_processes(encoded, picture):
    data = encoded()
    end_of_headers = data.index(b"\xff\xda")
    assert all(size_if_plain(data[:end], MOST) is None for end in range(end_of_headers + 4))
    assert size_if_plain(encoded("PNG"), MOST) is None
    assert size_if_plain(data, max_pixels=100) is None
    assert size_if_plain(encoded(image=picture(size=(900, 20))), MOST) is None


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(300, 200), (90, 400), (64, 64)])
def test_scaling_gives_the_features_of_the_cpu(interpolation, size, picture):
    mini = load_backbone("mini")
    preprocessing = Preprocessing((144, 144), (128, 128), interpolation)
    image = picture(size=size)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    pixels = np.stack([prepared(tensor, preprocessing).numpy(), preprocessing(image)])
    assert pixels.shape == (2, 128, 128, 3)
    found, expected = mini.forward(pixels)
    assert least_cosine(found[None], expected[None]) >= 0.999


def test_without_a_gpu_the_processes_decode_and_the_log_says_so(caplog):
    mini = load_backbone("mini")
    assert gpu_decoder(mini.preprocessing, torch.device("cpu"), mini.forward) is None
    assert "ISE_DECODE_DEVICE=cuda needs a GPU" in caplog.text


@pytest.mark.skipif(
    not torch.cuda.is_available() or not compiled_ops_load(),
    reason="there is no GPU, or no torchvision for it",
)
def test_a_gpu_decodes_batches_to_the_features_of_the_cpu(encoded, picture):
    mini = load_backbone("mini")
    gpu = torch.device("cuda")
    assert gpu_decoder(mini.preprocessing, gpu, mini.forward) is not None
    files = [encoded(seed=seed, image=picture(seed, (300, 200))) for seed in range(8)]
    pixels = np.stack(GpuDecoder(mini.preprocessing, gpu)(files))
    images = [Image.open(io.BytesIO(data)) for data in files]
    expected = np.stack([mini.preprocessing(image) for image in images])
    assert least_cosine(mini.forward(pixels), mini.forward(expected)) >= 0.999
