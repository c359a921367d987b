"""Bytes to pixels: every decodable picture becomes 8-bit RGB, any other raises BadImage.

Embedding and display use the same decoding. It needs Pillow, which the services that decode
pictures install.

Limits are checked on the header, before decoding. Pillow's global state is neither read nor changed
(`Image.MAX_IMAGE_PIXELS`, `ImageFile.LOAD_TRUNCATED_IMAGES`), so that threads can use different
limits; therefore plugins are called by name instead of through `Image.open`, which applies the
global limit.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

from shared.core.errors import BadImage, Unavailable
from shared.media import exif, image_headers, jxl, raw, video
from shared.media.color_profiles import to_srgb, undo_gamma
from shared.media.formats import OPENERS, format_of
from shared.media.formats import media_type as media_type
from shared.media.partial import PARTIAL, note_of, read_partly
from shared.media.png_chunks import without_texts
from shared.media.sample_values import SampleFormat, eight_bits
from shared.media.tiff import TiffFile

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> operation that makes it upright (Exif 2.32, tag 0x0112)."""
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
_STRIP_PIXELS = 2**22
_LEAST_READ = 0.5
"""Share of a damaged picture that must be there for it to count."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, and notes for its owner on damage of the file."""

    image: Image.Image
    notes: tuple[str, ...] = ()


def size(data: bytes) -> tuple[int, int]:
    """Width and height of a picture as it is shown, from its head alone. Raises BadImage."""
    name, image = opened(data)
    try:
        if isinstance(image, video.VideoFile):
            return image.shown_size
        # The sizes of TIFF and JPEG XL are those of the upright picture.
        turned = name not in ("TIFF", "JXL") and exif.orientation_of(image) in _ON_ITS_SIDE
    except Exception as error:  # plugins raise errors of any class for a hostile header
        raise _bad(error) from error
    width, height = image.size
    return (height, width) if turned else (width, height)


def opened(data: bytes) -> tuple[str, ImageFile.ImageFile]:
    """The format of a picture and its header, no pixel decoded. Raises BadImage."""
    name, data, _ = _checked(data)
    try:
        return name, _open(name, data)
    except Exception as error:  # whatever a plugin makes of a hostile header
        raise _bad(error) from error


def decode(data: bytes, max_pixels: int = 100_000_000, least: int | None = None) -> Image.Image:
    """The picture in `data`, upright, as an RGB image with 8 bits a channel; see `read`."""
    return read(data, max_pixels, least).image


def read(data: bytes, max_pixels: int = 100_000_000, least: int | None = None) -> Picture:
    """Return the picture in `data`, upright, in sRGB with 8 bits per channel, and a note on damage.

    Reads the first picture of an animation, a multi-page TIFF or an MPO. Transparency becomes
    white, more bits are scaled down, and colours are converted by the file's profile. A file that
    ends early or is damaged is read as far as possible, if that is most of it.

    Raises BadImage for anything that is not a picture of at most `max_pixels`. `least`: least
    number of pixels per side, so that a larger JPEG may be decoded at a reduced size, which takes
    less time and memory.
    """
    if not data:
        raise BadImage("The file is empty.")
    name, data, left_out = _checked(data)
    try:
        image = _open(name, data)
    except Image.DecompressionBombError as error:
        # Some plugins have Pillow's limit, which is above ours unless ours was raised.
        raise BadImage(
            f"It has more pixels than {_count(max_pixels)} (ISE_MAX_PIXELS), or than Pillow takes."
        ) from error
    except Exception as error:  # plugins raise errors of any class for a hostile header
        raise _bad(error) from error
    width, height = image.size
    if width < 1 or height < 1:
        raise BadImage("The image has no pixels.")
    if width * height > max_pixels:
        raise BadImage(
            f"{width} x {height} pixels are over the limit of {_count(max_pixels)} "
            "(ISE_MAX_PIXELS)."
        )
    try:
        if isinstance(image, raw.RawFile):
            return _of_raw(raw.shown(data, image), max_pixels, least)
        if isinstance(image, video.VideoFile):
            method = _TRANSPOSE.get(image.head.orientation)
            frame = video.poster(data, image, max_pixels)
            return Picture(frame if method is None else frame.transpose(method))
        if isinstance(image, jxl.JxlFile):
            return _of_jxl(data, image, max_pixels, least)
        if exif.is_absurd(name, data, image):
            left_out = exif.LEFT_OUT
        loaded, note = _loaded(image, name, data, least)
        return _shown(_upright(loaded, image), image, (left_out, note))
    except MemoryError as error:
        raise Unavailable(
            f"Not enough memory to decode {width} x {height} pixels; lower ISE_MAX_PIXELS.",
            retry_after=5,
        ) from error
    except BadImage:
        raise
    except Exception as error:  # each decoder raises errors of its own
        raise _bad(error) from error


def key_frames(
    data: bytes, max_pixels: int, most: int, longer_side: int, file: BinaryIO | None = None
) -> list[video.KeyFrame]:
    """Return up to `most` frames of a video that differ from each other, upright, by time.

    longer_side: larger frames are scaled down to it. file: the whole video, where the data are its
    head alone. Raises BadImage for what is no video.
    """
    name, data, _ = _checked(data)
    try:
        opened = _open(name, data)
        if not isinstance(opened, video.VideoFile):
            raise BadImage("It is no video.")
        found = video.key_frames(data, opened, max_pixels, most, longer_side, file)
    except MemoryError as error:
        raise Unavailable("Not enough memory to decode a video.", retry_after=5) from error
    except BadImage:
        raise
    except Exception as error:  # a decoder raises errors of its own
        raise _bad(error) from error
    method = _TRANSPOSE.get(opened.head.orientation)
    if method is None:
        return found
    return [replace(one, image=one.image.transpose(method)) for one in found]


def _of_raw(shown: raw.Shown, max_pixels: int, least: int | None) -> Picture:
    """Return what a RAW file shows, upright."""
    content = shown.content
    found = read(content, max_pixels, least) if isinstance(content, bytes) else Picture(content)
    method = _TRANSPOSE.get(shown.orientation)
    image = found.image if method is None else found.image.transpose(method)
    notes = found.notes if shown.note is None else (*found.notes, shown.note)
    return Picture(image, notes)


def _of_jxl(data: bytes, opened: jxl.JxlFile, max_pixels: int, least: int | None) -> Picture:
    """Return the picture of a JPEG XL, by the JPEG that it was made from where there is one."""
    jpeg = jxl.jpeg_within(data, opened.head)
    if jpeg is not None:
        return read(jpeg, max_pixels, least)
    image, note = jxl.decoded(data, opened.head)
    notes = () if note is None else (note,)
    return Picture(_on_white(image) if image.has_transparency_data else image.convert("RGB"), notes)


def _checked(data: bytes) -> tuple[str, bytes, str | None]:
    """Return the format of a file, its bytes without chunks that make a header expensive to read,
    and a note where facts are lost with them.
    """
    name = format_of(data)
    if name is None:
        raise BadImage(f"Not an image, or a format that isn't taken: {', '.join(OPENERS)} are.")
    image_headers.check(name, data)
    if name == "PNG" and image_headers.has_many_texts(data):
        data = without_texts(data)
    # Pillow parses the Exif of a JPEG before it knows the picture's size.
    if name == "JPEG" and image_headers.is_absurd_exif(image_headers.exif_of_jpeg(data)):
        return name, image_headers.without_exif(data), exif.LEFT_OUT
    return name, data, None


def _open(name: str, data: bytes) -> ImageFile.ImageFile:
    """Open a file of that format. A PNG whose texts or profile are damaged is opened without."""
    try:
        return OPENERS[name](BytesIO(data))
    except (SyntaxError, ValueError, struct.error, EOFError):
        if name != "PNG":
            raise
        return OPENERS[name](BytesIO(without_texts(data)))


def _loaded(
    image: ImageFile.ImageFile, name: str, data: bytes, least: int | None
) -> tuple[Image.Image, str | None]:
    """Decode an image that was opened, and return it, with a note where a part is missing."""

    def opened(content: bytes) -> ImageFile.ImageFile:
        again = _open(name, content)
        if least is not None:
            again.draft("RGB", (least, least))
        return again

    try:
        if least is not None:
            image.draft("RGB", (least, least))
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        if name not in PARTIAL:
            raise
        content = without_texts(data) if name == "PNG" else data
        found, share = read_partly(name, content, opened)
        is_truncated = _is_truncation(error)
        if share < _LEAST_READ:
            what = "truncated" if is_truncated else "damaged"
            read_share = f"{100 * share:.0f} % of it"
            raise BadImage(f"The image is {what}: only {read_share} can be read.") from error
        if name == "PNG" and share >= 1.0:
            # All pixels were read, so a text chunk after them is damaged.
            return found, None
        return found, note_of(share, is_truncated)
    return image, None


def _bad(error: Exception) -> BadImage:
    text = str(error).strip()
    if _is_truncation(error):
        return BadImage("The image is truncated.")
    return BadImage(f"The image is damaged, or of an odd kind ({text or type(error).__name__}).")


def _is_truncation(error: Exception) -> bool:
    # Pillow has no class for truncation; only the texts of OSError, SyntaxError and others tell.
    return isinstance(error, EOFError | struct.error) or any(
        sign in str(error).lower() for sign in ("truncated", "end of file", "ran out of data")
    )


def _upright(image: Image.Image, opened: Image.Image) -> Image.Image:
    """Turn a picture as the file that it was opened from says."""
    method = _TRANSPOSE.get(exif.orientation_of(opened))
    return image if method is None else image.transpose(method)


def _shown(image: Image.Image, opened: Image.Image, told: Sequence[str | None]) -> Picture:
    """Bring the pixels of a file to 8-bit sRGB without transparency."""
    notes = [note for note in told if note]
    info = opened.info
    if (sample := _sample_format(image, opened)) is not None:
        image = _grey(image, sample, info.get("transparency"))
    profile = info.get("icc_profile")
    image, ignored = to_srgb(image, profile)
    if ignored:
        notes.append(ignored)
    elif not profile and "srgb" not in info:
        image = undo_gamma(image, info.get("gamma"))
    if image.has_transparency_data:
        return Picture(_on_white(image), tuple(notes))
    return Picture(image.convert("RGB"), tuple(notes))


def _on_white(image: Image.Image) -> Image.Image:
    """Lay a transparent picture on white, in strips: whole layers would take much memory."""
    result = Image.new("RGB", image.size)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(image.height, top + rows))
        layer = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        result.paste(Image.alpha_composite(white, layer).convert("RGB"), (0, top))
    return result


def _sample_format(image: Image.Image, opened: Image.Image) -> SampleFormat | None:
    """Return how to scale the samples of an image, or None for plain 8 bits."""
    found = opened.sample if isinstance(opened, TiffFile) else None
    if found is not None and image.mode == "L":
        # The plugin has inverted white already.
        found = replace(found, white_is_zero=False)
        is_plain = found.kind == "u" and found.declared in (None, (0.0, 255.0))
        return None if is_plain or found.bits != 8 else found
    if not image.mode.startswith(("I", "F")):
        return None
    if found is not None:
        return found
    if image.mode == "F":
        return SampleFormat(32, "f")
    # Pillow converts the grey of PNG and PGM to 16 bits.
    return SampleFormat(16, "u")


def _grey(image: Image.Image, sample: SampleFormat, transparent: object) -> Image.Image:
    values = np.asarray(image)
    if sample.kind == "u" and sample.bits == 32:
        values = values.view(np.uint32)
    elif sample.kind == "i" and sample.bits == 8:
        values = values.view(np.int8)
    grey = Image.fromarray(eight_bits(values, sample))
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _count(pixels: int) -> str:
    if pixels % 1_000_000 == 0:
        return f"{pixels // 1_000_000} million"
    return f"{pixels:,}"
