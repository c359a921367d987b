"""Videos of some seconds in each container and usual codec: a black start, then `scene`."""

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from tests.shared.raw_files import scene

KINDS = {
    "MP4": ("mp4", "libx264"),
    "MOV": ("mov", "mpeg4"),
    "WebM": ("webm", "libvpx-vp9"),
    "MKV": ("matroska", "libx264"),
    "AVI": ("avi", "mpeg4"),
}


def video(kind="MP4", codec=None, seconds=3, size=(192, 128), metadata=None, frames=None):
    """A video at 8 frames a second, a key frame each second."""
    container, usual = KINDS[kind]
    pictures = frames or [Image.new("RGB", size)] * 4 + [scene(*size)] * (8 * seconds - 4)
    out = io.BytesIO()
    options = {"movflags": "use_metadata_tags"} if metadata and kind in ("MP4", "MOV") else {}
    with av.open(out, "w", format=container, options=options) as made:
        stream = made.add_stream(codec or usual, rate=8)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 8
        made.metadata.update(metadata or {})
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 8)
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    return out.getvalue()


def turned(data, quarter):
    """An MP4 with another matrix of its track: turned by some quarters, clockwise."""
    matrix = {1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[quarter]
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 0x10000 for value in matrix)
    words = (a, b, 0, c, d, 0, 0, 0, 0x40000000)
    return data[:at] + b"".join(w.to_bytes(4, "big", signed=True) for w in words) + data[at + 36 :]
