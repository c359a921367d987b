"""Videos: shown by a poster, which PyAV (the extra `video`) decodes.

The poster is the richest of some key frames spread over the video: the first one is often black.
Further key frames, by which a video is found, are chosen to differ from each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
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
_LOOKS = 24
"""Places at which key frames are looked for; of those, the ones that differ are taken."""
_EVERY_S = 1.0
"""Of a short video, a look a second."""
_BLANK = 4.0
"""Deviation of the brightness, of 255, below which a frame shows nothing."""
_SAME = 8.0
"""Mean difference of small pictures, of 255, below which two frames show the same."""
_SMALL = 32
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


def poster(
    data: bytes, opened: VideoFile, max_pixels: int, file: BinaryIO | None = None
) -> Image.Image:
    """Return the poster as it lies; `opened.head` tells how it is turned. Raises BadImage.

    file: the whole video, where the data are its head alone.
    """
    kind = opened.format or ""
    try:
        import av
    except ImportError:
        raise missing(kind, "video") from None
    best: tuple[float, Image.Image] | None = None
    try:
        with _container(av, file or BytesIO(data), kind) as container:
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


@dataclass(frozen=True)
class KeyFrame:
    """Frame of a video, upright. time_s: from the video's beginning."""

    time_s: float
    image: Image.Image


@dataclass(frozen=True)
class _Look:
    """Frame that was looked at. small: a few pixels of it, by which frames are compared."""

    time_s: float
    image: Image.Image
    small: NDArray[np.float32]

    @property
    def is_blank(self) -> bool:
        return float(self.small.mean(axis=2).std()) < _BLANK

    def differs(self, other: "_Look") -> float:
        """Return the mean difference from another frame."""
        return float(np.abs(self.small - other.small).mean())


def key_frames(
    data: bytes,
    opened: VideoFile,
    max_pixels: int,
    most: int,
    longer_side: int,
    file: BinaryIO | None = None,
) -> list[KeyFrame]:
    """Return up to `most` key frames that differ from each other, in the order of time.

    longer_side: larger frames are scaled down to it. file: as of `poster`. Raises BadImage where no
    frame can be read.
    """
    kind = opened.format or ""
    try:
        import av
    except ImportError:
        raise missing(kind, "video") from None
    looks: list[_Look] = []
    shares = _places(opened.head.seconds)
    try:
        with _container(av, file or BytesIO(data), kind) as container:
            start = _start(container)
            for frame in _frames(av, container, opened.head, max_pixels, shares):
                _check_pixels(frame, max_pixels)
                time_s = max(float(frame.time or 0.0) - start, 0.0)
                if looks and time_s <= looks[-1].time_s:
                    # The same key frame, as there is none between the two places.
                    continue
                image = frame.to_image()
                image.thumbnail((longer_side, longer_side))
                small = np.asarray(image.convert("RGB").resize((_SMALL, _SMALL)), np.float32)
                looks.append(_Look(round(time_s, 3), image, small))
    except av.FFmpegError as error:
        if not looks:
            text = getattr(error, "strerror", None) or type(error).__name__
            raise BadImage(f"The video can't be read ({text}).") from error
    if not looks:
        raise BadImage("The video has no frame that can be read.")
    chosen = _different([one for one in looks if not one.is_blank] or looks[:1], most)
    return [KeyFrame(one.time_s, one.image) for one in chosen]


def _container(av: Any, content: BinaryIO, kind: str) -> Any:
    content.seek(0)
    return av.open(content, format=_DEMUXERS[kind], metadata_errors="replace")


def _places(seconds: float | None) -> list[float]:
    """Return where frames are looked for, in shares of the length."""
    if not seconds:
        return []
    count = int(min(max(seconds / _EVERY_S, 1), _LOOKS))
    return [place / count for place in range(count)]


def _start(container: Any) -> float:
    """Return the time of a stream's beginning, which need not be 0."""
    if not container.streams.video:
        return 0.0
    stream = container.streams.video[0]
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _different(looks: list[_Look], most: int) -> list[_Look]:
    """Choose the frames that differ most: each next one is the farthest from those before."""
    chosen = [looks[0]]
    nearest = [one.differs(looks[0]) for one in looks]
    while len(chosen) < min(most, len(looks)):
        at = int(np.argmax(nearest))
        if nearest[at] < _SAME:
            break
        # The first that shows it, as players begin there.
        at = next(place for place, one in enumerate(looks) if one.differs(looks[at]) < _SAME)
        chosen.append(looks[at])
        nearest = [
            min(away, one.differs(looks[at])) for away, one in zip(nearest, looks, strict=True)
        ]
    return sorted(chosen, key=lambda one: one.time_s)


def _check_pixels(sized: Any, most: int) -> None:
    if sized.width * sized.height > most:
        raise BadImage(
            f"{sized.width} x {sized.height} pixels are over the limit of {most:,} "
            "(ISE_MAX_PIXELS)."
        )


def _frames(
    av: Any,
    container: Any,
    head: VideoHead,
    max_pixels: int,
    shares: Sequence[float] = _SHARES,
) -> Iterator[Any]:
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
    for share in shares if head.seconds else ():
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
