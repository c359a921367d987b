"""Paths of this machine as text: a file system keeps bytes, which need not be UTF-8."""

import os
import re
from urllib.parse import quote, unquote_to_bytes

_SCHEME = "file://"
_UNDECODED = re.compile("[\udc80-\udcff]")


def text_of(path: str) -> str:
    """Return a path as the catalogue keeps it: as it stands, or as a URL where it isn't UTF-8."""
    return path if is_text(path) else url_of(path)


def url_of(path: str) -> str:
    """Return a path as a `file://` URL, which has any bytes."""
    return _SCHEME + quote(os.fsencode(path))


def path_of(text: str) -> str | None:
    """Return the path for a text of `text_of`; None if it isn't local."""
    if text.startswith("/"):
        return text
    if text.startswith(_SCHEME):
        return os.fsdecode(unquote_to_bytes(text.removeprefix(_SCHEME)))
    return None


def is_text(path: str) -> bool:
    """Return whether a path, as Python has it, is UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(name: str) -> str:
    """Return a name that can be shown: each byte that isn't UTF-8 is written as in a URL, `%E9`.

    Two names that differ in such bytes still differ.
    """
    shown = _UNDECODED.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", name)
    return shown.encode(errors="backslashreplace").decode()
