"""Videos: shown by a poster, which PyAV (the extra `video`) decodes.

The poster is the richest of some key frames spread over the video: the first one is often black.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from shared.core.errors import BadImage
from shared.media import video_head
from shared.media.extras import missing
from shared.media.video_head import VideoHead

_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where posters are looked for, in shares of the video's length."""
_RICH = 40.0
"""Deviation of the brightness, of 255, from which on a frame is good enough."""
_MOST_PACKETS = 2000
_LONGEST_S = 1e9
"""A damaged head may tell more, even more than FFmpeg's clock can say."""
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
_DEMUXERS = {"MP4": "mov", "MOV": "mov", "WebM": "matroska", "MKV": "matroska", "AVI": "avi"}
"""Named, as FFmpeg would also follow playlists and other texts that a file may pretend to be."""


class VideoFile(ImageFile.ImageFile):
    """The head of a video; it never loads pixels itself."""

    format_description = "video"
    head: VideoHead

    def _open(self) -> None:
        data = self.fp.read() if self.fp else b""
        kind = video_head.kind_of(data)
        try:
            if kind is None:
                raise ValueError("not a video")
            self.head = video_head.head_of(kind, data)
        except ValueError as error:
            raise SyntaxError(str(error)) from None
        self.format = kind
        self._mode = "RGB"
        self._size = self.head.width, self.head.height

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        width, height = self.size
        return (height, width) if self.head.orientation in _ON_ITS_SIDE else (width, height)

    def load(self) -> Any:
        raise OSError("the frames of a video are decoded apart")


def poster(data: bytes, opened: VideoFile, max_pixels: int) -> Image.Image:
    """Return the poster as it lies; `opened.head` tells how it is turned. Raises BadImage."""
    kind = opened.format or ""
    try:
        import av
    except ImportError:
        raise missing(kind, "video") from None
    best: tuple[float, Image.Image] | None = None
    try:
        with av.open(BytesIO(data), format=_DEMUXERS[kind], metadata_errors="replace") as container:
            for frame in _frames(av, container, opened.head, max_pixels):
                _check_pixels(frame, max_pixels)
                image = frame.to_image()
                spread = float(np.asarray(image.convert("L").resize((64, 64))).std())
                if best is None or spread > best[0]:
                    best = spread, image
                if spread >= _RICH:
                    break
    except av.FFmpegError as error:
        if best is None:
            text = getattr(error, "strerror", None) or type(error).__name__
            raise BadImage(f"The video can't be read ({text}).") from error
    if best is None:
        raise BadImage("The video has no frame that can be read.")
    return best[1]


def _check_pixels(sized: Any, most: int) -> None:
    if sized.width * sized.height > most:
        raise BadImage(
            f"{sized.width} x {sized.height} pixels are over the limit of {most:,} "
            "(ISE_MAX_PIXELS)."
        )


def _frames(av: Any, container: Any, head: VideoHead, max_pixels: int) -> Iterator[Any]:
    """Yield key frames near some shares of a video; its first frame where it can't be searched."""
    if not container.streams.video:
        return
    stream = container.streams.video[0]
    # Before the decoder takes memory for frames; the head of the file may say less than the stream,
    # and the stream may grow, which the decoder itself refuses.
    _check_pixels(stream.codec_context, max_pixels)
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    stream.codec_context.thread_count = 1
    stream.codec_context.skip_frame = "NONKEY"
    found = False
    for share in _SHARES if head.seconds else ():
        try:
            container.seek(round(min(share * (head.seconds or 0), _LONGEST_S) * 1_000_000))
            frame = _next_frame(container, stream)
        except av.FFmpegError:
            continue
        if frame is not None:
            found = True
            yield frame
    if not found:
        container.seek(0)
        stream.codec_context.skip_frame = "DEFAULT"
        frame = _next_frame(container, stream)
        if frame is not None:
            yield frame


def _next_frame(container: Any, stream: Any) -> Any:
    for number, packet in enumerate(container.demux(stream)):
        for frame in packet.decode():
            return frame
        if number >= _MOST_PACKETS:
            return None
    return None
