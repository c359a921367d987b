"""Times at which pictures were taken, as files write them."""

import re
from datetime import datetime
from functools import lru_cache

_TIME = re.compile(
    r"\s*(\d{4})(?:[:/.-]\s?(\d{1,2})(?:[:/.-]\s?(\d{1,2})"
    r"(?:[\sT]+\s?(\d{1,2}):\s?(\d{1,2})(?::\s?(\d{1,2})(?:[.,](\d+))?)?\s*(\S*))?)?)?[\s\0]*",
    re.ASCII,
)
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_FARTHEST = 14 * 60
_EPOCH = datetime(1970, 1, 1)
# Images that came together have one time: so many are remembered.
_KEPT = 4096


def iso(text: object, offset: object = None, fraction: object = None) -> str | None:
    """Return a time of EXIF or XMP as ISO 8601: local time, with its offset where it has one.

    None for what is no time: blanks, zeros, the 31st of June. A clock that was never set is a
    time like any other.
    """
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    digits = found[7] or (fraction.strip("\0 ") if isinstance(fraction, str) else "")
    digits = (digits[:6] if digits.isascii() and digits.isdigit() else "").rstrip("0")
    try:
        micro = int(digits.ljust(6, "0")) if digits else 0
        time = datetime(
            year, month or _first(found[2]), day or _first(found[3]), hour, minute, second, micro
        )
    except ValueError:
        return None
    at = time.isoformat(timespec="seconds") + (f".{digits}" if digits else "")
    return at + (_offset(found[8]) or _offset(offset))


@lru_cache(_KEPT)
def wall_microseconds(at: str) -> int:
    """Return the local time of an ISO 8601 time, in microseconds since the start of 1970.

    Raises ValueError.
    """
    passed = datetime.fromisoformat(at).replace(tzinfo=None) - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


@lru_cache(_KEPT)
def wall(at: str) -> str:
    """Return an ISO 8601 time without its offset: such texts sort by local time."""
    date, clock, time = at.partition("T")
    return date + clock + re.split(r"[+-]|Z", time, maxsplit=1)[0]


def _first(given: str | None) -> int:
    """The month or day where none is given; one of zeros is no date."""
    return 1 if given is None else 0


def _offset(given: object) -> str:
    text = given.strip("\0 ") if isinstance(given, str) else ""
    if text in ("Z", "z"):
        return "+00:00"
    found = _OFFSET.fullmatch(text)
    if found is None:
        return ""
    sign, hours, minutes = found.groups()
    if int(minutes) > 59 or int(hours) * 60 + int(minutes) > _FARTHEST:
        return ""
    return f"{sign}{hours}:{minutes}"
