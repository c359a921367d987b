"""Names of files of pictures: which suffixes are looked at, and which files are one picture.

What a file is, its content says; by names only a RAW and its JPEG are brought together.
"""

from pathlib import PurePosixPath

RAW_SUFFIXES = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"}
)
_DEVELOPED = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".heic", ".heif", ".hif"})
"""Of what a camera writes beside a RAW file."""
_FORMATS = (
    dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG")
    | dict.fromkeys((".heic", ".heif", ".hif"), "HEIC")
    | {".nrw": "NEF", ".pef": "RAW", ".srw": "RAW"}
)
"""Of suffixes that aren't the format's own name, among those of a RAW and its JPEG."""
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"})
IMAGE_SUFFIXES = (
    _DEVELOPED
    | RAW_SUFFIXES
    | VIDEO_SUFFIXES
    | frozenset({".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jxl"})
)


def suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def is_raw(name: str) -> bool:
    return suffix_of(name) in RAW_SUFFIXES


def is_developed(name: str) -> bool:
    """Tell whether a name is that of a picture that a camera writes beside a RAW file."""
    return suffix_of(name) in _DEVELOPED


def format_by_name(name: str) -> str:
    """Return the format that the content of a RAW file or its JPEG most likely has."""
    suffix = suffix_of(name)
    return _FORMATS.get(suffix) or suffix[1:].upper()


def stem_of(name: str) -> str:
    """Return what the names of a RAW and its JPEG have in common."""
    return str(PurePosixPath(name).with_suffix("")).casefold()
