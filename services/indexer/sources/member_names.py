"""Names of an archive's members, as the folder would have them that was packed."""

import re
import zipfile
import zlib

from shared.objects.local_path import readable

_UTF8 = 0x800
_UNICODE_PATH = 0x7075
# Characters that Japanese file names have beside ASCII: kana, their marks, and ideographs.
_JAPANESE = re.compile("[\u3005-\u3007\u3040-\u30ff\u4e00-\u9fff\uff66-\uff9f]")
_KANA_OR_TWO = re.compile("[\u3040-\u30ff]|[\u3005-\u3007\u4e00-\u9fff\uff66-\uff9f]{2}")


def of_tar(name: str) -> str:
    """Return a tar's name for a member, which was decoded with `surrogateescape`."""
    return _plain(readable(name))


def of_zip(info: zipfile.ZipInfo) -> str:
    """Return a zip's name for a member.

    Many programs write UTF-8 without saying so; older ones of Japan write Shift-JIS, others the
    code page 437 that the format names.
    """
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        raw = name.encode("cp437")
        name = _unicode_path(info.extra, raw) or _guessed(raw)
    return _plain(name.partition("\0")[0])


def raw_length(info: zipfile.ZipInfo) -> int:
    """Return how many bytes a member's name has in a zip."""
    return len(info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437"))


def leads_out(name: str) -> str | None:
    """Return why a name lies outside the archive; None if it doesn't."""
    if name.startswith("/") or "\\" in name or "::" in name:
        return "its name in the archive is no path within it"
    if ".." in name.split("/") or not name:
        return "its name leads out of the archive"
    return None


def _plain(name: str) -> str:
    """Return a path without the parts that say nothing; an absolute one stays as it is."""
    if name.startswith("/"):
        return name
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _guessed(raw: bytes) -> str:
    for encoding in ("utf-8", "cp932"):
        try:
            name = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or _is_japanese(name):
            return name
    return raw.decode("cp437")


def _is_japanese(name: str) -> bool:
    """Return whether a name is Japanese rather than letters with accents read as such."""
    foreign = [char for char in name if not char.isascii()]
    return all(map(_JAPANESE.match, foreign)) and _KANA_OR_TWO.search(name) is not None


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Return the name in Info-ZIP's extra field for one, where it belongs to the name at hand."""
    while len(extra) >= 4:
        kind, size = (int.from_bytes(extra[at : at + 2], "little") for at in (0, 2))
        data, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(data) > 5 and data[0] == 1:
            if int.from_bytes(data[1:5], "little") != zlib.crc32(raw):
                return None
            try:
                return data[5:].decode()
            except UnicodeDecodeError:
                return None
    return None
