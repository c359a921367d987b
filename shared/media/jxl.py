"""JPEG XL: read by imagecodecs (the extra `jxl`), which brings libjxl.

Of a file that was made from a JPEG, that JPEG is restored and read as any other.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from shared.media.extras import missing
from shared.media.jxl_head import Colours, JxlHead, head_of

_PRIMARIES = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Those of BT.2100 and P3; the white of all three is D65."""
_SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_D65 = (0.3127, 0.3290)
_WHITE_D65, _SRGB, _LINEAR, _BT709 = 1, 13, 8, 1
_ROWS = 256
"""Rows whose colours are converted at once: as floats a whole picture would take much memory."""


class JxlFile(ImageFile.ImageFile):
    """The head of a JPEG XL; it never loads pixels itself."""

    format = "JXL"
    format_description = "JPEG XL"
    head: JxlHead

    def _open(self) -> None:
        try:
            self.head = head_of(self.fp.read() if self.fp else b"")
        except ValueError as error:
            raise SyntaxError(str(error)) from None
        self._mode = "RGB"
        self._size = self.head.width, self.head.height
        if self.head.exif:
            self.info["exif"] = self.head.exif
        if self.head.xmp:
            self.info["xmp"] = self.head.xmp

    def load(self) -> Any:
        raise OSError("the pixels of JPEG XL are decoded apart")


def jpeg_within(data: bytes, head: JxlHead) -> bytes | None:
    """Return the JPEG that a file was made from, or None."""
    if not head.is_jpeg:
        return None
    codecs = _codecs()
    try:
        return bytes(codecs.jpegxl_decode_jpeg(data, numthreads=1))
    except codecs.JpegxlError:
        # The pixels can be decoded without it.
        return None


def decoded(data: bytes, head: JxlHead) -> tuple[Image.Image, str | None]:
    """Return the upright picture in sRGB, with its transparency, and a note on its colours."""
    values = np.asarray(_codecs().jpegxl_decode(data, index=0, numthreads=1))
    if values.ndim == 4:
        values = values[0]
    values, note = _srgb(values, head.colours)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(values)), note


def _codecs() -> Any:
    try:
        import imagecodecs
    except ImportError:
        raise missing("JPEG XL", "jxl") from None
    return imagecodecs


def _srgb(values: NDArray[Any], colours: Colours) -> tuple[NDArray[np.uint8], str | None]:
    """Return values of 8 bits in sRGB, and a note where their colours aren't known."""
    if colours.has_profile:
        # Where it was encoded with loss, libjxl gives sRGB.
        note = None if colours.is_xyb else "Its colour profile was not applied."
        return _each(values, _encoded_already), note
    is_known = colours.white == _WHITE_D65 and colours.primaries in (1, *_PRIMARIES)
    is_curve = colours.gamma is not None or colours.transfer in (_SRGB, _LINEAR, _BT709)
    if not (is_known and is_curve):
        return _each(values, _encoded_already), "Its colours are of a kind that is shown as sRGB."
    if colours.primaries == 1 and colours.gamma is None and colours.transfer == _SRGB:
        return _each(values, _encoded_already), None
    matrix = None
    if colours.primaries != 1:
        there = _to_xyz(_PRIMARIES[colours.primaries])
        matrix = (np.linalg.inv(_to_xyz(_SRGB_PRIMARIES)) @ there).astype(np.float32)

    def convert(light: NDArray[np.float32]) -> NDArray[np.float32]:
        linear = _linear(light, colours)
        if matrix is not None and linear.ndim == 3 and linear.shape[2] == 3:
            linear = np.clip(linear @ matrix.T, 0, 1)
        return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)

    return _each(values, convert), None


def _encoded_already(light: NDArray[np.float32]) -> NDArray[np.float32]:
    return light


def _each(
    values: NDArray[Any], convert: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.uint8]:
    """Convert colours but not transparency, in strips, to 8 bits."""
    if values.dtype == np.uint8 and convert is _encoded_already:
        return values
    whole = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    result = np.empty(values.shape, np.uint8)
    colours = {2: 1, 4: 3}.get(values.shape[2], values.shape[2]) if values.ndim == 3 else None
    for top in range(0, values.shape[0], _ROWS):
        light = np.nan_to_num(values[top : top + _ROWS].astype(np.float32)) / whole
        light = np.clip(light, 0, 1)
        shown = light if colours is None else light[..., :colours]
        shown[...] = convert(shown)
        result[top : top + _ROWS] = np.clip(light * 255 + 0.5, 0, 255)
    return result


def _linear(value: NDArray[np.float32], colours: Colours) -> NDArray[np.float32]:
    """Return the light that encoded values stand for."""
    if colours.gamma is not None:
        return np.asarray(value ** (1 / max(colours.gamma, 1e-3)), np.float32)
    if colours.transfer == _LINEAR:
        return value
    if colours.transfer == _BT709:
        curved = ((value + 0.099) / 1.099) ** (1 / 0.45)
        return np.where(value < 0.081, value / 4.5, curved).astype(np.float32)
    curved = ((value + 0.055) / 1.055) ** 2.4
    return np.where(value <= 0.04045, value / 12.92, curved).astype(np.float32)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    x, y = _D65
    scale = np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y]))
    return np.asarray(columns * scale)
