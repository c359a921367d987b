"""Estimate of the memory that decoding a picture takes, from its head alone."""

from shared.core.errors import BadImage
from shared.media import images

_SMALL_JPEG = 128 * 1024
"""Bytes of a JPEG that can't hold so many pixels that its head is worth reading."""
_LEAST = 4 * 2**20
_PLAIN, _PROGRESSIVE, _OTHER = 2, 8, 9
"""Bytes per pixel: a JPEG is scaled while it is decoded, but a progressive one needs all of its
coefficients first; other formats are decoded in full, then converted."""


def decoding_weight(data: bytes) -> int:
    """Return the bytes of memory that decoding a file takes, about.

    The least for a file that can't be read: the decoder reports it.
    """
    is_jpeg = data.startswith(b"\xff\xd8")
    if is_jpeg and len(data) < _SMALL_JPEG:
        return _LEAST
    try:
        _, image = images.opened(data)
    except BadImage:
        return _LEAST
    width, height = image.size
    if not is_jpeg:
        return max(_LEAST, width * height * _OTHER)
    is_progressive = bool(image.info.get("progressive"))
    return max(_LEAST, width * height * (_PROGRESSIVE if is_progressive else _PLAIN))
