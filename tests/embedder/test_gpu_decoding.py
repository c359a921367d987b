"""Which JPEGs a GPU may decode, and how they are scaled; the GPU's own tests need one."""

import asyncio
import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from services.embedder.backbones.gpu_decoding import (
    GpuDecoder,
    agreeing_formats,
    gpu_decoder,
    prepared,
)
from services.embedder.backbones.torchvision_ops import compiled_ops_load
from services.embedder.decoding.decoder import DecodeLimits
from services.embedder.decoding.plain_jpeg import blank_jpeg, plain_jpeg
from services.embedder.decoding.pool import Decoders
from services.embedder.engines.agreement import least_cosine
from services.embedder.images import ImageEmbedder, Limits
from services.embedder.preprocess import Preprocessing
from services.embedder.registry import load_backbone
from shared.core.budget import Budget

MOST = 100_000_000
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": turned(1)}])
def test_a_plain_jpeg_has_its_size(options, encoded, picture):
    data = encoded(image=picture(size=(120, 90)), **options)
    assert plain_jpeg(data, MOST).size == (120, 90)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"subsampling": "4:4:4"}, "baseline 1x1"),
        ({"subsampling": "4:2:2"}, "baseline 2x1"),
        ({"subsampling": "4:2:0"}, "baseline 2x2"),
        ({"subsampling": "4:2:0", "progressive": True}, "progressive 2x2"),
    ],
)
def test_a_plain_jpeg_has_its_format(options, expected, encoded):
    assert plain_jpeg(encoded(**options), MOST).format == expected


@pytest.mark.parametrize("options", [{"exif": turned(6)}, {"icc_profile": PROFILE}])
def test_a_jpeg_that_needs_more_than_decoding_is_none(options, encoded):
    assert plain_jpeg(encoded(**options), MOST) is None


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_channels_are_for_the_processes(mode, encoded, picture):
    assert plain_jpeg(encoded(image=picture().convert(mode)), MOST) is None


def test_other_files_and_parts_of_files_are_for_the_processes(encoded, picture):
    data = encoded()
    end_of_headers = data.index(b"\xff\xda")
    assert all(plain_jpeg(data[:end], MOST) is None for end in range(end_of_headers + 4))
    assert plain_jpeg(encoded("PNG"), MOST) is None
    assert plain_jpeg(data, max_pixels=100) is None
    assert plain_jpeg(encoded(image=picture(size=(900, 20))), MOST) is None


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


FORMATS = {
    f"{kind} {samples}" for kind in ("baseline", "progressive") for samples in ("1x1", "2x1", "2x2")
}
with_operators = pytest.mark.skipif(
    not compiled_ops_load(), reason="torchvision was built for another torch"
)


@with_operators
def test_what_decodes_well_decodes_every_format():
    mini = load_backbone("mini")
    decoder = GpuDecoder(mini.preprocessing, torch.device("cpu"))
    assert agreeing_formats(decoder, mini.preprocessing, mini.forward) == FORMATS


def test_a_format_that_a_decoder_shows_otherwise_is_left_to_the_cpu(caplog):
    mini = load_backbone("mini")

    def decode(files):
        """Takes red for blue where colours are shared by two pixels; can't read progressive ones"""
        found = []
        for data in files:
            plain = plain_jpeg(data, MOST)
            if plain.format.startswith("progressive"):
                raise RuntimeError("no progressive ones")
            pixels = mini.preprocessing(Image.open(io.BytesIO(data)))
            found.append(pixels[..., ::-1] if plain.format.endswith("2x1") else pixels)
        return found

    formats = agreeing_formats(decode, mini.preprocessing, mini.forward)
    assert formats == {"baseline 1x1", "baseline 2x2"}
    assert "JPEGs (baseline 2x1) are decoded on the CPU: with the GPU's the cosine" in caplog.text
    assert "JPEGs (progressive 2x2) are decoded on the CPU: no progressive ones" in caplog.text


def test_files_of_its_formats_go_to_the_gpu_and_all_others_to_the_processes(encoded, picture):
    mini = load_backbone("mini")
    seen = []

    class Decoder:
        """Stands for a GPU's: all of a batch fails for one bad file."""

        formats = frozenset({"baseline 2x2"})

        def __call__(self, files):
            seen.extend(files)
            try:
                images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
            except OSError as error:
                raise RuntimeError("a file is damaged") from error
            tensors = [torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images]
            return [prepared(tensor, mini.preprocessing).numpy() for tensor in tensors]

    one, other = (encoded(seed=seed, image=picture(seed, (300, 200))) for seed in range(2))
    png = encoded("PNG")
    progressive = encoded(image=picture(2, (300, 200)), progressive=True)
    damaged = one[: 3 * len(one) // 4]

    async def embedded():
        limits = Limits(8, 64, MOST, 10**8, 60.0)
        async with (
            Decoders(1, DecodeLimits(60.0, 2**30)) as decoders,
            ImageEmbedder(
                mini, lambda: mini, decoders, limits, Budget(10**9, ""), Decoder()
            ) as images,
        ):
            both = await images.embed([one, png, progressive, other], colors=True)
            return both, await images.embed([damaged])

    whole, torn = asyncio.run(embedded())
    # After a failure the decoder is tried with a file that is in order.
    assert {one, other} <= set(seen) <= {one, other, damaged, blank_jpeg()}
    images = [
        Image.open(io.BytesIO(data)).convert("RGB") for data in (one, png, progressive, other)
    ]
    expected = mini.forward(np.stack([mini.preprocessing(image) for image in images]))
    assert least_cosine(whole.vectors, expected) >= 0.999
    assert whole.colors is not None
    # The processes read what is there, and say that it's damaged.
    assert torn.notes.keys() == {0}


@pytest.mark.skipif(
    not torch.cuda.is_available() or not compiled_ops_load(),
    reason="there is no GPU, or no torchvision for it",
)
def test_a_gpu_decodes_batches_to_the_features_of_the_cpu(encoded, picture):
    mini = load_backbone("mini")
    gpu = torch.device("cuda")
    decoder = gpu_decoder(mini.preprocessing, gpu, mini.forward)
    assert decoder is not None
    assert "baseline 2x2" in decoder.formats
    files = [encoded(seed=seed, image=picture(seed, (300, 200))) for seed in range(8)]
    pixels = np.stack(decoder(files))
    images = [Image.open(io.BytesIO(data)) for data in files]
    expected = np.stack([mini.preprocessing(image) for image in images])
    assert least_cosine(mini.forward(pixels), mini.forward(expected)) >= 0.999
