"""RAW files of cameras: what they are, their size and Exif, and the picture that they show.

Heads are read here, in Python and within limits. Pixels need rawpy (the extra `raw`): the preview
that the camera wrote into the file where it is large enough, as it has the camera's own colours
and is read in a hundredth of the time; else the sensor's values are developed.
"""

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from PIL import Image, ImageFile

from shared.core.errors import BadImage
from shared.media import image_headers
from shared.media.boxes import Box, boxes, find
from shared.media.extras import missing
from shared.media.tiff_tags import (
    COMPRESSION,
    EXIF_IFD,
    IMAGE_LENGTH,
    IMAGE_WIDTH,
    MAKE,
    ORIENTATION,
    PHOTOMETRIC,
    Directory,
    directories,
)

log = logging.getLogger(__name__)

RAW = frozenset({"DNG", "CR2", "CR3", "NEF", "ARW", "RAF", "ORF", "RW2", "RAW"})
_TIFFS = RAW - {"CR3", "RAF"}

_RAF = b"FUJIFILMCCD-RAW"
_SIGNATURES = {
    _RAF: "RAF",
    b"IIRO": "ORF",
    b"IIRS": "ORF",
    b"MMOR": "ORF",
    b"IIU\0": "RW2",
}
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
"""Of the box of a CR3 with its tags; below, of that with its large preview."""
_PREVIEWS = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_DNG_VERSION, _CROP_SIZE = 0xC612, 0xC620
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_SENSOR = frozenset({32803, 34892})
"""Photometric interpretations of what a sensor saw: a colour filter array, or linear values."""
_SENSORS_PACKING = frozenset({32767, 34713, 65535})
"""Compressions of Sony, Nikon and Pentax."""
_ENOUGH = 1000
"""Pixels of the longer side with which a preview counts, or half of the whole picture's."""
_HALF = 2 * _ENOUGH
"""Shorter sides from this on are developed at half the size."""
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
_TURNS = {3: 3, 5: 8, 6: 6}
"""LibRaw's flip -> EXIF orientation."""


@dataclass(frozen=True)
class Shown:
    """The picture of a RAW file: a JPEG of the camera, or pixels.

    `orientation`: of EXIF, still to be applied. `note`: on what could not be read.
    """

    content: bytes | Image.Image
    orientation: int = 1
    note: str | None = None


class RawFile(ImageFile.ImageFile):
    """The head of a RAW file; `format` names its kind. It never loads pixels itself."""

    format_description = "RAW"
    blocks: tuple[bytes, ...]
    """Where its Exif is: one block with all directories, or one for each (tags, Exif, GPS)."""

    def _open(self) -> None:
        data = self.fp.read() if self.fp else b""
        kind = kind_of(data)
        if kind is None:
            raise SyntaxError("not a RAW file")
        self.format = kind
        self.blocks = _blocks(kind, data)
        self.info["exif"] = self.blocks[0]
        self._mode = "RGB"
        self._size = _size(kind, data, self.blocks)

    def load(self) -> Any:
        raise BadImage("The pixels of a RAW file are developed apart.")


def kind_of(data: bytes) -> str | None:
    """Return the kind of a RAW file by its content, or None for other files."""
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            return name
    if data[4:12] == b"ftypcrx ":
        return "CR3"
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    if data[8:10] == b"CR":
        return "CR2"
    first = Directory.first(data)
    if _DNG_VERSION in first:
        return "DNG"
    for one in directories(data):
        if (
            one.number(PHOTOMETRIC) in _SENSOR or one.number(COMPRESSION) in _SENSORS_PACKING
        ) and IMAGE_WIDTH in one:
            make = first.text(MAKE).upper()
            return "NEF" if make.startswith("NIKON") else "ARW" if make == "SONY" else "RAW"
    return None


def is_tiff(kind: str) -> bool:
    """Tell whether the tags of a RAW file are those of a TIFF."""
    return kind in _TIFFS


def shown(data: bytes, head: RawFile) -> Shown:
    """Return the picture of a RAW file. Raises BadImage."""
    try:
        import rawpy
    except ImportError:
        raise missing(head.format or "RAW", "raw") from None
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            width, height = raw.sizes.width, raw.sizes.height
            turn = _TURNS.get(raw.sizes.flip, 1)
            preview = _preview(rawpy, raw)
            if preview is not None and _is_enough(preview, width, height):
                return _turned(preview, turn, width, height)
            try:
                pixels = raw.postprocess(
                    use_camera_wb=True,
                    half_size=min(width, height) >= _HALF,
                    output_bps=8,
                )
                return Shown(Image.fromarray(pixels))
            except rawpy.LibRawError as error:
                if preview is None:
                    raise
                log.debug("a RAW file can't be developed", exc_info=True)
                note = f"Only its small preview can be read ({_reason(error)})."
                return replace(_turned(preview, turn, width, height), note=note)
    except rawpy.LibRawUnsufficientMemoryError as error:
        raise MemoryError from error
    except rawpy.LibRawError as error:
        # A camera that LibRaw doesn't know, or a file that ends early.
        found = largest_jpeg(head.format or "", data, head.blocks)
        if found is None:
            raise BadImage(f"The RAW file can't be read ({_reason(error)}).") from error
        note = f"Only the preview in the RAW file can be read ({_reason(error)})."
        turn = Directory.first(head.blocks[0].removeprefix(b"Exif\0\0")).number(ORIENTATION)
        return replace(_turned(found, turn or 1, *head.size), note=note)


def largest_jpeg(kind: str, data: bytes, blocks: tuple[bytes, ...]) -> bytes | None:
    """Return the largest preview that a file says where it is, or None; without LibRaw."""
    found = [
        content
        for content in _jpegs(kind, data, blocks)
        if content.startswith(b"\xff\xd8\xff") and min(image_headers.size_of_jpeg(content)) > 0
    ]
    return max(found, key=image_headers.size_of_jpeg, default=None)


def _jpegs(kind: str, data: bytes, blocks: tuple[bytes, ...]) -> Iterator[bytes]:
    if kind == "RAF":
        at, size = struct.unpack_from(">II", data, 84) if len(data) >= 92 else (0, 0)
        yield data[at : at + size]
    elif kind == "CR3":
        # Its previews have a head of their own before the JPEG.
        for box in _canon_boxes(data):
            if box.kind in (b"THMB", b"PRVW"):
                at = data.find(b"\xff\xd8\xff", box.begin, min(box.end, box.begin + 64))
                yield data[at : box.end] if at >= 0 else b""
    else:
        for one in directories(blocks[0]):
            for start, length in ((0x0201, 0x0202), (0x0111, 0x0117)):
                at, size = one.number(start), one.number(length)
                if len(one.numbers(start)) == 1 and at:
                    yield data[at : at + size]


def _reason(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return text.strip() or type(error).__name__


def _preview(rawpy: Any, raw: Any) -> bytes | Image.Image | None:
    """Return the largest preview: a JPEG, or pixels."""
    try:
        found = raw.extract_thumb()
    except rawpy.LibRawError:
        # There is none, or it is damaged or of an odd kind: the sensor's values are there still.
        return None
    if found.format == rawpy.ThumbFormat.JPEG:
        return bytes(found.data)
    if found.format == rawpy.ThumbFormat.BITMAP:
        return Image.fromarray(found.data).convert("RGB")
    return None


def _is_enough(preview: bytes | Image.Image, width: int, height: int) -> bool:
    return max(_size_of(preview)) >= min(_ENOUGH, max(width, height) / 2)


def _size_of(preview: bytes | Image.Image) -> tuple[int, int]:
    if isinstance(preview, Image.Image):
        return preview.size
    return image_headers.size_of_jpeg(preview)


def _turned(preview: bytes | Image.Image, turn: int, width: int, height: int) -> Shown:
    """Return a preview with the turn that it still needs: most lie as the sensor does, some are
    upright already.
    """
    if isinstance(preview, bytes):
        # LibRaw writes its own turn into a JPEG that has none, whether it lies or not.
        own = image_headers.orientation(image_headers.exif_of_jpeg(preview))
        turn = turn if own in (0, 1) else own
        preview = image_headers.upright(preview)
    across, down = _size_of(preview)
    if turn in _ON_ITS_SIDE and (across > down) != (width > height):
        turn = 1
    return Shown(preview, turn)


def _blocks(kind: str, data: bytes) -> tuple[bytes, ...]:
    if kind == "RAF":
        at, size = struct.unpack_from(">II", data, 84) if len(data) >= 92 else (0, 0)
        return (image_headers.exif_of_jpeg(data[at : at + size]),)
    if kind == "CR3":
        found = dict.fromkeys((b"CMT1", b"CMT2", b"CMT4"), b"")
        for one in _canon_boxes(data):
            if one.kind in found:
                found[one.kind] = data[one.begin : one.end]
        return tuple(found.values())
    # Pillow reads the tags of the files that only differ by their magic number.
    return (data if data[2:4] in (b"*\0", b"\0*") else _as_tiff(data),)


def _canon_boxes(data: bytes) -> Iterator[Box]:
    """Yield the boxes of a CR3 with its tags and previews."""
    moov = find(data, b"moov")
    for box in boxes(data, moov.begin, moov.end) if moov else ():
        if box.kind == b"uuid" and data[box.begin : box.begin + 16] == _CANON:
            yield from boxes(data, box.begin + 16, box.end)
    for box in boxes(data):
        if box.kind == b"uuid" and data[box.begin : box.begin + 16] == _PREVIEWS:
            # Eight bytes come before the box of the preview.
            yield from boxes(data, box.begin + 24, box.end)


def _as_tiff(data: bytes) -> bytes:
    return (b"MM\0*" if data[:2] == b"MM" else b"II*\0") + data[4:]


def _size(kind: str, data: bytes, blocks: tuple[bytes, ...]) -> tuple[int, int]:
    """Return the size of the whole picture, as the sensor lies."""
    if kind == "RAF":
        return _size_of_raf(data)
    first = Directory.first(blocks[0])
    if kind == "CR2":
        exif = first.within(EXIF_IFD)
        width, height = exif.number(_PIXEL_X), exif.number(_PIXEL_Y)
    elif kind == "RW2":
        # The borders of the sensor: top, left, bottom, right.
        top, left, bottom, right = (first.number(tag) for tag in (4, 5, 6, 7))
        width, height = right - left, bottom - top
    else:
        every = list(directories(blocks[0]))
        sensors = [one for one in every if one.number(PHOTOMETRIC) in _SENSOR]
        width, height = max(
            (_size_of_directory(one) for one in sensors or every),
            key=lambda size: size[0] * size[1],
            default=(0, 0),
        )
    if width < 1 or height < 1:
        width, height = first.number(IMAGE_WIDTH), first.number(IMAGE_LENGTH)
    return width, height


def _size_of_directory(one: Directory) -> tuple[int, int]:
    crop = one.numbers(_CROP_SIZE)
    if len(crop) == 2 and min(crop) > 0:
        return crop[0], crop[1]
    return one.number(IMAGE_WIDTH), one.number(IMAGE_LENGTH)


def _size_of_raf(data: bytes) -> tuple[int, int]:
    found: dict[int, tuple[int, int]] = {}
    try:
        at = struct.unpack_from(">I", data, 92)[0]
        count = struct.unpack_from(">I", data, at)[0]
        at += 4
        for _ in range(min(count, 256)):
            tag, size = struct.unpack_from(">HH", data, at)
            if size == 4:
                height, width = struct.unpack_from(">HH", data, at + 4)
                found[tag] = width, height
            at += 4 + size
    except struct.error:
        pass
    # The picture without the sensor's borders, else with them.
    return found.get(0x0111) or found.get(0x0100) or (0, 0)
