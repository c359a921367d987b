"""The head of a video: its size, duration, turn, and when and with what it was taken.

Read in Python and within limits, without FFmpeg: MP4 and MOV, Matroska and WebM, AVI.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from shared.media.boxes import Box, boxes, find

VIDEOS = {
    "MP4": "video/mp4",
    "MOV": "video/quicktime",
    "WebM": "video/webm",
    "MKV": "video/x-matroska",
    "AVI": "video/x-msvideo",
}
"""Kind -> media type."""
_BRANDS = (
    b"iso",
    b"mp4",
    b"avc",
    b"M4V",
    b"MSNV",
    b"dash",
    b"3gp",
    b"3g2",
    b"f4v",
    b"XAVC",
    b"mmp4",
)
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT, _INFO, _TRACKS = 0x18538067, 0x1549A966, 0x1654AE6B
_SCALE, _DURATION, _DATE, _TRACK, _TYPE = 0x2AD7B1, 0x4489, 0x4461, 0xAE, 0x83
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_UNKNOWN_SIZE = -1
_FIRST, _LARGEST_HEAD = 4096, 8 * 2**20
_MOST_ELEMENTS, _MOST_KEYS, _LONGEST_TEXT = 4096, 64, 200
_1904, _2001 = datetime(1904, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)")
_QUICKTIME = "com.apple.quicktime."
_TURNS = {(0, 1, -1, 0): 6, (-1, 0, 0, -1): 3, (0, -1, 1, 0): 8}
"""Matrix of a track, its signs -> EXIF orientation."""


@dataclass
class VideoHead:
    """Head of a video. `orientation`: as in EXIF. `texts`: what it says of itself, by key."""

    width: int = 0
    height: int = 0
    seconds: float | None = None
    orientation: int = 1
    taken_at: str | None = None
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[float, float] | None:
        found = _PLACE.match(self.texts.get("location.ISO6709") or self.texts.get("xyz", ""))
        return None if found is None else (float(found[1]), float(found[2]))


def kind_of(data: bytes) -> str | None:
    """Return the kind of a video by its first bytes, or None for other files."""
    if data[4:8] == b"ftyp":
        if data[8:12] == b"qt  ":
            return "MOV"
        return "MP4" if data[8:12].startswith(_BRANDS) else None
    if data[4:8] == b"moov":
        return "MOV"
    if data.startswith(_EBML):
        start = data[:80]
        return "WebM" if b"webm" in start else "MKV" if b"matroska" in start else None
    return "AVI" if data[:4] == b"RIFF" and data[8:12] == b"AVI " else None


def head_bytes(file: BinaryIO) -> bytes | None:
    """Return the part of a video that `head_of` reads, without its pictures; None for other files.

    The head of an MP4 may lie behind them, so that its boxes are walked.
    """
    file.seek(0)
    start = file.read(_FIRST)
    kind = kind_of(start)
    if kind not in ("MP4", "MOV"):
        return None if kind is None else start + file.read(_LARGEST_HEAD - len(start))
    kept, at, left = bytearray(), 0, _LARGEST_HEAD
    for _ in range(_MOST_ELEMENTS):
        file.seek(at)
        box = file.read(16)
        if len(box) < 8:
            break
        size = int.from_bytes(box[:4], "big")
        if size == 1 and len(box) == 16:
            size = int.from_bytes(box[8:], "big")
        if size < 8:
            break
        if box[4:8] in (b"ftyp", b"moov"):
            file.seek(at)
            part = file.read(min(size, left))
            kept += part
            left -= len(part)
        if left <= 0:
            break
        at += size
    return bytes(kept)


def head_of(kind: str, data: bytes) -> VideoHead:
    """Read the head. Raises ValueError where it tells no size."""
    head = VideoHead()
    try:
        if kind in ("MP4", "MOV"):
            _read_mp4(data, head)
        elif kind == "AVI":
            _read_avi(data, head)
        else:
            _read_matroska(data, head)
    except (struct.error, IndexError, OverflowError):
        # What was read before the damage counts.
        pass
    if head.width < 1 or head.height < 1:
        raise ValueError("it has no video, or ends before its head")
    return head


def _read_mp4(data: bytes, head: VideoHead) -> None:
    moov = find(data, b"moov")
    if moov is None:
        return
    for box in boxes(data, moov.begin, moov.end):
        if box.kind == b"mvhd":
            created, scale, length = _times(data, box.begin)
            if scale and length:
                head.seconds = round(length / scale, 3)
            if created:
                head.taken_at = _iso(_1904 + timedelta(seconds=created))
        elif box.kind == b"trak" and not head.width:
            _read_track(data, box, head)
        elif box.kind == b"meta":
            _read_keys(data, box, head)
        elif box.kind == b"udta":
            for one in boxes(data, box.begin, box.end):
                if one.kind == b"meta":
                    _read_keys(data, one, head)
                elif one.kind[:1] == b"\xa9":
                    # Length, language, then the text.
                    size = struct.unpack_from(">H", data, one.begin)[0]
                    text = data[one.begin + 4 : one.begin + 4 + min(size, _LONGEST_TEXT)]
                    key = one.kind[1:].decode("latin-1")
                    head.texts.setdefault(key, text.decode(errors="replace"))
    head.taken_at = head.texts.get("creationdate") or head.taken_at


def _times(data: bytes, at: int) -> tuple[int, int, int]:
    """Creation (seconds since 1904), units a second, and length in units."""
    if data[at] == 1:
        created, _, scale, length = struct.unpack_from(">QQIQ", data, at + 4)
    else:
        created, _, scale, length = struct.unpack_from(">IIII", data, at + 4)
    return created, scale, length


def _read_track(data: bytes, track: Box, head: VideoHead) -> None:
    tkhd = handler = None
    for box in boxes(data, track.begin, track.end):
        if box.kind == b"tkhd":
            tkhd = box
        elif box.kind == b"mdia":
            found = [one for one in boxes(data, box.begin, box.end) if one.kind == b"hdlr"]
            handler = data[found[0].begin + 8 : found[0].begin + 12] if found else None
    if tkhd is None or handler != b"vide":
        return
    at = tkhd.begin + (52 if data[tkhd.begin] == 1 else 40)
    a, b, _, c, d = struct.unpack_from(">5i", data, at)
    width, height = struct.unpack_from(">II", data, at + 36)
    head.width, head.height = width >> 16, height >> 16
    signs = tuple((value > 0) - (value < 0) for value in (a, b, c, d))
    head.orientation = _TURNS.get(signs, 1)


def _read_keys(data: bytes, meta: Box, head: VideoHead) -> None:
    """Read QuickTime's list of keys and values."""
    # QuickTime's has no version before its boxes, that of MP4 has.
    begin = meta.begin if data[meta.begin + 4 : meta.begin + 8] == b"hdlr" else meta.begin + 4
    found = {box.kind: box for box in boxes(data, begin, meta.end)}
    if b"keys" not in found or b"ilst" not in found:
        return
    at = found[b"keys"].begin
    count = struct.unpack_from(">I", data, at + 4)[0]
    names: list[str] = []
    for box in boxes(data, at + 8, found[b"keys"].end):
        names.append(data[box.begin : min(box.end, box.begin + _LONGEST_TEXT)].decode("latin-1"))
        if len(names) >= min(count, _MOST_KEYS):
            break
    for box in boxes(data, found[b"ilst"].begin, found[b"ilst"].end):
        number = int.from_bytes(box.kind, "big")
        value = next((b for b in boxes(data, box.begin, box.end) if b.kind == b"data"), None)
        if value is not None and 0 < number <= len(names):
            name = names[number - 1].removeprefix(_QUICKTIME)
            text = data[value.begin + 8 : min(value.end, value.begin + 8 + _LONGEST_TEXT)]
            head.texts[name] = text.decode(errors="replace")


def _read_avi(data: bytes, head: VideoHead) -> None:
    at = data.find(b"avih", 12, 256)
    if at < 0:
        return
    values = struct.unpack_from("<14I", data, at + 8)
    head.width, head.height = values[8], values[9]
    if values[0] and values[4]:
        head.seconds = round(values[0] * values[4] / 1e6, 3)


def _read_matroska(data: bytes, head: VideoHead) -> None:
    found: set[int] = set()
    for number, begin, end in _elements(data, 0, len(data)):
        if number != _SEGMENT:
            continue
        for inner, start, stop in _elements(data, begin, end):
            if inner == _INFO:
                _read_info(data, start, stop, head)
            elif inner == _TRACKS:
                _read_tracks(data, start, stop, head)
            found.add(inner)
            if {_INFO, _TRACKS} <= found:
                return


def _read_info(data: bytes, begin: int, end: int, head: VideoHead) -> None:
    scale, length = 1_000_000, None
    for number, start, stop in _elements(data, begin, end):
        if number == _SCALE:
            scale = int.from_bytes(data[start:stop], "big")
        elif number == _DURATION:
            length = struct.unpack_from(">f" if stop - start == 4 else ">d", data, start)[0]
        elif number == _DATE and stop - start == 8:
            passed = struct.unpack_from(">q", data, start)[0]
            head.taken_at = _iso(_2001 + timedelta(microseconds=passed // 1000))
    if length is not None and 0 < length * scale < 1e18:
        head.seconds = round(length * scale / 1e9, 3)


def _read_tracks(data: bytes, begin: int, end: int, head: VideoHead) -> None:
    for number, start, stop in _elements(data, begin, end):
        if number != _TRACK or head.width:
            continue
        fields = {one: (a, b) for one, a, b in _elements(data, start, stop)}
        if _TYPE not in fields or _VIDEO not in fields or data[fields[_TYPE][0]] != 1:
            continue
        video = {one: data[a:b] for one, a, b in _elements(data, *fields[_VIDEO])}
        head.width = int.from_bytes(video.get(_WIDTH, b"")[:4], "big")
        head.height = int.from_bytes(video.get(_HEIGHT, b"")[:4], "big")


def _elements(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield EBML elements: number, and where the content begins and ends."""
    at = begin
    for _ in range(_MOST_ELEMENTS):
        if at + 2 > min(end, len(data)):
            return
        number, at = _number(data, at, keeps_mark=True)
        size, at = _number(data, at, keeps_mark=False)
        stop = end if size == _UNKNOWN_SIZE else min(at + size, end)
        yield number, at, min(stop, len(data))
        at = stop


def _number(data: bytes, at: int, keeps_mark: bool) -> tuple[int, int]:
    """A number whose first byte tells its length, and where it ends."""
    first = data[at]
    length = 9 - first.bit_length()
    if length > 8 or at + length > len(data):
        raise IndexError
    value = int.from_bytes(data[at : at + length], "big")
    if not keeps_mark:
        value -= 1 << (7 * length)
        if value == (1 << (7 * length)) - 1:
            value = _UNKNOWN_SIZE
    return value, at + length


def _iso(at: datetime) -> str | None:
    """Return a time, or None for one that no clock was set to."""
    return at.isoformat(timespec="seconds") if 1990 <= at.year <= 2200 else None
