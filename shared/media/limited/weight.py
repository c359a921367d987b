"""Estimate of the memory that decoding a picture takes, from its head alone."""

from shared.core.errors import BadImage
from shared.media import images
from shared.media.video_head import VIDEOS

_LEAST = 4 * 2**20
_PLAIN, _PROGRESSIVE, _OTHER, _JXL, _VIDEO = 2, 8, 9, 20, 60
"""Bytes per pixel: a JPEG is scaled while it is decoded, but a progressive one needs all of its
coefficients first; other formats are decoded in full, then converted, JPEG XL as floats; a video's
decoder keeps some twenty frames."""
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of a frame's head, which has its size."""
_PROGRESSIVES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_MOST_MARKERS = 200


def decoding_weight(data: bytes) -> int:
    """Return the bytes of memory that decoding a file takes, about.

    The least for a file that can't be read: the decoder reports it.
    """
    if data.startswith(b"\xff\xd8"):
        return max(_LEAST, _of_jpeg(data))
    if data.startswith(_PNG):
        # Without Pillow, which would read all of its head, on the event loop.
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        return max(_LEAST, width * height * _OTHER)
    try:
        name, image = images.opened(data)
    except BadImage:
        return _LEAST
    each = _JXL if name == "JXL" else _VIDEO if name in VIDEOS else _OTHER
    return max(_LEAST, image.size[0] * image.size[1] * each)


def _of_jpeg(data: bytes) -> int:
    at = 2
    for _ in range(_MOST_MARKERS):
        head = data[at : at + 9]
        if len(head) < 9 or head[0] != 0xFF:
            break
        marker = head[1]
        if marker in _FRAMES:
            height, width = int.from_bytes(head[5:7], "big"), int.from_bytes(head[7:9], "big")
            return width * height * (_PROGRESSIVE if marker in _PROGRESSIVES else _PLAIN)
        at += 1 if marker == 0xFF else 2 + int.from_bytes(head[2:4], "big")
    return 0
