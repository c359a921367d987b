"""The head of a JPEG XL file (ISO/IEC 18181): its size, orientation, colours, Exif and XMP."""

from dataclasses import dataclass

from shared.media.boxes import boxes

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_HEAD = 4096
"""Bytes of the codestream that hold its head."""
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_CUSTOM_WHITE, _CUSTOM_PRIMARIES = 2, 2
_GREY, _XYB = 1, 2
_ALPHA, _SPOT, _FILTER = 0, 2, 5

_SIDES = ((1, 9), (1, 13), (1, 18), (1, 30))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))


@dataclass(frozen=True)
class Colours:
    """The meaning of the pixels, by the numbers of the standard; None: sRGB.

    `gamma`: exponent of the encoding, where it is not by `transfer`.
    """

    white: int = 1
    primaries: int = 1
    transfer: int = 13
    gamma: float | None = None
    has_profile: bool = False
    is_xyb: bool = True


@dataclass(frozen=True)
class JxlHead:
    """Size as the picture is shown, and what else its head tells."""

    width: int
    height: int
    colours: Colours
    exif: bytes | None = None
    xmp: bytes | None = None
    is_jpeg: bool = False
    """The JPEG that it was made from can be restored."""
    is_animated: bool = False


def is_jxl(data: bytes) -> bool:
    return data.startswith((_CODESTREAM, _CONTAINER))


def head_of(data: bytes) -> JxlHead:
    """Read the head. Raises ValueError where it is damaged."""
    exif = xmp = None
    is_jpeg = False
    stream = bytearray(data[:_HEAD]) if data.startswith(_CODESTREAM) else bytearray()
    if not stream:
        for box in boxes(data):
            content = data[box.begin : min(box.end, box.begin + _HEAD)]
            if box.kind == b"jxlc" and not stream:
                stream += content
            elif box.kind == b"jxlp" and len(stream) < _HEAD:
                # Its number in sequence comes first.
                stream += content[4:]
            elif box.kind == b"Exif" and exif is None:
                # The offset of the tags comes first.
                skip = 4 + int.from_bytes(content[:4], "big")
                exif = data[box.begin + skip : box.end]
            elif box.kind == b"xml " and xmp is None:
                xmp = data[box.begin : box.end]
            elif box.kind == b"jbrd":
                is_jpeg = True
    if not stream.startswith(_CODESTREAM):
        raise ValueError("it has no codestream")
    bits = _Bits(bytes(stream[2:]))
    width, height = _size(bits)
    orientation, is_animated, colours = _metadata(bits)
    if orientation >= 5:
        width, height = height, width
    return JxlHead(width, height, colours, exif, xmp, is_jpeg, is_animated)


class _Bits:
    """Bits, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("its head is cut off")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def flag(self) -> bool:
        return bool(self.take(1))

    def one_of(self, kinds: tuple[tuple[int, int], ...]) -> int:
        """A number by one of four layouts: an offset, and how many bits are added to it."""
        offset, count = kinds[self.take(2)]
        return offset + self.take(count)


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.flag()

    def side() -> int:
        return (bits.take(5) + 1) * 8 if is_small else bits.one_of(_SIDES)

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio]
    return height * across // down, height


def _metadata(bits: _Bits) -> tuple[int, bool, Colours]:
    """Read the orientation, whether the picture moves, and its colours."""
    if bits.flag():
        return 1, False, Colours()
    orientation, is_animated = 1, False
    if bits.flag():
        orientation = 1 + bits.take(3)
        if bits.flag():
            _size(bits)
        if bits.flag():
            _preview(bits)
        is_animated = bits.flag()
        if is_animated:
            _animation(bits)
    _depth(bits)
    bits.flag()
    for _ in range(bits.one_of(((0, 0), (1, 0), (2, 4), (1, 12)))):
        _channel(bits)
    return orientation, is_animated, _colours(bits, is_xyb=bits.flag())


def _preview(bits: _Bits) -> None:
    is_small = bits.flag()
    small, large = ((16, 0), (32, 0), (1, 5), (33, 9)), ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.one_of(small if is_small else large)
    if not bits.take(3):
        bits.one_of(small if is_small else large)


def _animation(bits: _Bits) -> None:
    bits.one_of(((100, 0), (1000, 0), (1, 10), (1, 30)))
    bits.one_of(((1, 0), (1001, 0), (1, 8), (1, 10)))
    bits.one_of(((0, 0), (0, 3), (0, 16), (0, 32)))
    bits.flag()


def _depth(bits: _Bits) -> None:
    if bits.flag():
        bits.one_of(((32, 0), (16, 0), (24, 0), (1, 6)))
        bits.take(4)
    else:
        bits.one_of(((8, 0), (10, 0), (12, 0), (1, 6)))


def _channel(bits: _Bits) -> None:
    if bits.flag():
        return
    kind = bits.one_of(_ENUM)
    _depth(bits)
    bits.one_of(((0, 0), (3, 0), (4, 0), (1, 3)))
    bits.take(8 * bits.one_of(((0, 0), (0, 4), (16, 5), (48, 10))))
    if kind == _ALPHA:
        bits.flag()
    elif kind == _SPOT:
        bits.take(4 * 16)
    elif kind == _FILTER:
        bits.one_of(((1, 0), (0, 2), (3, 4), (19, 8)))


def _colours(bits: _Bits, is_xyb: bool) -> Colours:
    if bits.flag():
        return Colours(is_xyb=is_xyb)
    has_profile = bits.flag()
    space = bits.one_of(_ENUM)
    if has_profile:
        return Colours(has_profile=True, is_xyb=is_xyb)
    white, primaries = 1, 1
    if space != _XYB:
        white = bits.one_of(_ENUM)
        if white == _CUSTOM_WHITE:
            _point(bits)
        if space != _GREY:
            primaries = bits.one_of(_ENUM)
            if primaries == _CUSTOM_PRIMARIES:
                for _ in range(3):
                    _point(bits)
        if bits.flag():
            return Colours(white, primaries, 0, bits.take(24) / 1e7, is_xyb=is_xyb)
        return Colours(white, primaries, bits.one_of(_ENUM), is_xyb=is_xyb)
    return Colours(is_xyb=is_xyb)


def _point(bits: _Bits) -> None:
    for _ in range(2):
        bits.one_of(((0, 19), (524288, 19), (1048576, 20), (2097152, 21)))
