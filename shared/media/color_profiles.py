"""Colours of other spaces converted to sRGB, in which all pictures are embedded and shown.

A profile of sRGB itself, which most pictures carry, is recognised once and skipped afterwards. One
that is damaged, or of another kind of colours than the picture's, is ignored with a note.
"""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_LARGEST = 4 * 2**20
"""Bytes of a profile; those of presses have up to 3 MiB."""
_PROFILES = 8
"""Cached transforms, with the bytes of their profiles."""
_SAME = 3
"""Largest difference from sRGB in any colour, of 255, at which a profile counts as sRGB."""
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour space of a profile -> Pillow's mode."""
_GREY = frozenset({"1", "L", "LA", "La"})
_MODES = {
    # Scanners write grey pictures with an RGB profile, whose grey axis then applies.
    "RGB": _GREY | {"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr"},
    "L": _GREY,
    "CMYK": frozenset({"CMYK"}),
}
_USUAL_GAMMA = 1 / 2.2

DAMAGED = "Its colour profile is damaged and was ignored."
MISMATCHED = "Its colour profile is for another kind of colours and was ignored."
TOO_LARGE = "Its colour profile is unusually large and was ignored."


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """Convert a picture to sRGB; return it, and a note where its profile was ignored.

    A picture without a profile, or with one of sRGB, is returned as it is.
    """
    if image.mode == "LAB":
        return _applied(image, _lab()), None
    if not profile:
        return image, None
    if len(profile) > _LARGEST:
        return image, TOO_LARGE
    transform, space, note = _transform(profile)
    if note is None and image.mode not in _MODES[space]:
        note = MISMATCHED
    if transform is None or note is not None:
        return image, note
    color, alpha = _split(image)
    if space == "RGB":
        color = color.convert("RGB")
    color = _applied(color, transform)
    if alpha is not None:
        color.putalpha(alpha)
    return color, None


def undo_gamma(image: Image.Image, gamma: float | None) -> Image.Image:
    """Convert samples of another gamma than sRGB's, as PNG's gAMA names it."""
    if gamma is None or abs(gamma - _USUAL_GAMMA) < 0.03 or not 0.1 <= gamma <= 4:
        return image
    color, alpha = _split(image)
    if color.mode not in ("L", "RGB"):
        return image
    light = np.linspace(0, 1, 256) ** (1 / gamma)
    table = np.rint(255 * light**_USUAL_GAMMA).astype(int).tolist()
    color = color.point(table * len(color.getbands()))
    if alpha is not None:
        color.putalpha(alpha)
    return color


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours and the alpha channel of a picture, without a palette."""
    if image.has_transparency_data:
        is_grey = image.mode in ("L", "LA", "La")
        layer = image.convert("RGBA")
        return layer.convert("L" if is_grey else "RGB"), layer.getchannel("A")
    if image.mode in ("P", "PA", "RGBX", "YCbCr", "HSV"):
        return image.convert("RGB"), None
    if image.mode == "1":
        return image.convert("L"), None
    return image, None


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    if image.mode == "RGB":
        # In place, because a second copy of a large picture may not fit in memory.
        image.load()
        copy = image if image.readonly == 0 else image.copy()
        ImageCms.applyTransform(copy, transform, inPlace=True)
        return copy
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # noqa: S101
    return converted


@lru_cache(maxsize=_PROFILES)
def _transform(profile: bytes) -> tuple[ImageCms.ImageCmsTransform | None, str, str | None]:
    """Return the transform to sRGB, or None; the mode that it needs; and a note on an unusable
    profile.
    """
    try:
        found = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = _SPACES.get(found.profile.xcolor_space.strip())
        if space is None:
            return None, "", MISMATCHED
        transform = ImageCms.buildTransform(
            found,
            _srgb(),
            space,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if space in ("RGB", "L") and _is_srgb(transform, space):
            return None, space, None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None, "", DAMAGED
    return transform, space, None


def _is_srgb(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    if space == "L":
        before = steps[None]
        expected = np.repeat(before[..., None], 3, axis=2)
    else:
        before = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        expected = before
    after = np.asarray(ImageCms.applyTransform(Image.fromarray(before), transform))
    return int(np.abs(after.astype(int) - expected).max()) <= _SAME


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def _lab() -> ImageCms.ImageCmsTransform:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.buildTransform(lab, _srgb(), "LAB", "RGB")
