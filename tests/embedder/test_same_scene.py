"""Real photos written in odd ways have the features of the same scene as an 8-bit PNG in sRGB."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from services.embedder.registry import load_backbone
from shared.media.images import decode
from tests.shared.profiles import profile
from tests.shared.test_picture_kinds import saved, tiff

MOBILENET = "weights/mobilenet_v2_features.safetensors"
PHOTOS = "photos/caltech101"


def grey(photo):
    return np.asarray(photo.convert("L")).astype(float)


def spotted(values):
    values = np.array(values)
    values[0, 0] = 1.02
    return values


def in_space(photo, space):
    other = ImageCms.ImageCmsProfile(io.BytesIO(profile(space)))
    image = ImageCms.profileToProfile(photo, ImageCms.createProfile("sRGB"), other)
    image.info.clear()
    return saved(image, "TIFF", icc_profile=profile(space))


GREY = {
    "float, one pixel at 1.02": lambda g: tiff(spotted(g / 255).astype(np.float32)),
    "float to 65535": lambda g: tiff((g * 257).astype(np.float32)),
    "float -1 to 1": lambda g: tiff((g / 127.5 - 1).astype(np.float32)),
    "float in units of its own": lambda g: tiff((g * 3.7).astype(np.float64)),
    "16 bits, white is zero": lambda g: tiff((65535 - g * 257).astype(np.uint16), photometric=0),
    "16 bits, big-endian": lambda g: tiff((g * 257).astype(np.uint16), order=">"),
    "16 bits, signed": lambda g: tiff((g * 257.0 - 32768).astype(np.int16)),
    "32 bits": lambda g: tiff(g.astype(np.uint32) * 257),
}
COLOUR = {
    "16 bits": lambda p: tiff(np.asarray(p).astype(np.uint16) * 257, photometric=2),
    "ProPhoto": lambda p: in_space(p, "prophoto"),
    "Display P3": lambda p: in_space(p, "display-p3"),
    "Adobe RGB": lambda p: in_space(p, "adobe-rgb"),
    "CMYK": lambda p: saved(p.convert("CMYK"), "TIFF"),
    "JPEG without its end mark": lambda p: saved(p, "JPEG", quality=95)[:-2],
}


@pytest.fixture(scope="module")
def photos(reference_data):
    folders = [reference_data / PHOTOS / tag for tag in ("butterfly", "sunflower")]
    paths = [path for folder in folders for path in sorted(folder.glob("*.jpg"))[:1]]
    return [decode(path.read_bytes()) for path in paths]


@pytest.fixture(scope="module")
def embed(reference_data):
    backbone = load_backbone("torchvision/mobilenet_v2", str(reference_data / MOBILENET))

    def unit(data):
        row = backbone.features([backbone.preprocessing(decode(data))])[0]
        return row / np.linalg.norm(row)

    return unit


@pytest.mark.parametrize("kind", GREY)
def test_grey_of_many_bits_has_the_features_of_its_scene(kind, photos, embed):
    for photo in photos:
        plain = embed(saved(Image.fromarray(grey(photo).astype(np.uint8)), "PNG"))
        assert plain @ embed(GREY[kind](grey(photo))) >= 0.99


@pytest.mark.parametrize("kind", COLOUR)
def test_colours_have_the_features_of_their_scene(kind, photos, embed):
    for photo in photos:
        assert embed(saved(photo, "PNG")) @ embed(COLOUR[kind](photo)) >= 0.99
