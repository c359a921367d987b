"""Pictures in tar and zip archives: members from headers, and the bytes of any member by offset.

Archives come from outside. So nothing is unpacked to a disk or beyond its declared size, no
declared size may exceed that of a picture, and links can't lead out.
"""

import calendar
import errno
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import IO, Protocol, cast

from services.indexer.sources import member_names
from services.indexer.sources.links import resolved, target_of
from services.indexer.sources.member import Index, Member
from services.indexer.sources.skipping import Skip
from shared.core.errors import InvalidInput, TooLarge
from shared.objects.file import Stamp

# Enough for a zip's directory of some 600,000 members; a tar's header is far shorter.
_LONGEST_HEADER = 64 * 2**20
_ZIP_HEADER = 30
# Bytes read for a zip header's part of unknown length; a longer one costs a second read.
_EXTRA = 256
_ENCRYPTED = 0x1
_UNPACKABLE = 1024
# Times beyond this many seconds, such as 1e30 or infinity, are invalid.
_LATEST = 2**33
_END = bytes(tarfile.BLOCKSIZE)
_UNIX = 3
_LONGEST_LINK = 4096
# No member has an empty name.
_NOWHERE = ""
_NO_SIZE = "its header says a size that no file has"


class Bytes(Protocol):
    """Random access to an archive's bytes: any range, from many threads."""

    @property
    def size(self) -> int: ...

    @property
    def ahead(self) -> int:
        """Number of bytes to read at once when looking for headers."""

    def read(self, start: int, end: int) -> bytes: ...


Check = Callable[[], None]


def index(archive: Bytes, protocol: str, name: str, check: Check = lambda: None) -> Index:
    """Every file by its path in the archive; of several at one, the last. Raises InvalidInput.

    `check` is called between, and may raise to end it.
    """
    try:
        return _tar(archive, check) if protocol == "tar" else _zip(archive, check)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        RecursionError,
        ValueError,
        struct.error,
    ) as error:
        hint = "; unpack a compressed archive first" if protocol == "tar" else ""
        raise InvalidInput(
            f"{name} can't be read as a {protocol} archive: {error}{hint}."
        ) from None


def read(archive: Bytes, member: Member, most: int) -> bytes:
    """A member's bytes. Raises TooLarge, OSError."""
    if member.error is not None:
        raise OSError(member.error)
    # Deflate adds a few bytes to each block that it can't compress.
    if max(member.stamp.bytes, member.stored - most // 1000 - _UNPACKABLE) > most:
        raise TooLarge(f"The archive's member is over the limit of {most / 2**20:g} MiB.")
    if member.holes is not None:
        return _with_holes(archive, member)
    if member.name_length < 0:
        data = archive.read(member.offset, member.offset + member.stored)
    else:
        data = _unpacked(archive, member)
    if len(data) != member.stamp.bytes:
        raise OSError("the archive ends in the middle of it, or is damaged")
    return data


def _unpacked(archive: Bytes, member: Member) -> bytes:
    head = _ZIP_HEADER + member.name_length + _EXTRA
    found = archive.read(member.offset, member.offset + head + member.stored)
    if found[:4] != b"PK\3\4":
        raise OSError("the archive has no header where its directory says")
    start = _ZIP_HEADER + sum(int.from_bytes(found[at : at + 2], "little") for at in (26, 28))
    if start + member.stored > len(found):
        found += archive.read(member.offset + len(found), member.offset + start + member.stored)
    packed = found[start : start + member.stored]
    if member.kind == zipfile.ZIP_STORED:
        data = packed
    else:
        try:
            # One byte more than the declared size proves that the size is wrong.
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.stamp.bytes + 1)
        except zlib.error as error:
            raise OSError(f"it can't be unpacked: {error}") from None
    if len(data) == member.stamp.bytes and zlib.crc32(data) != member.crc:
        raise OSError("its checksum is wrong")
    return data


def _with_holes(archive: Bytes, member: Member) -> bytes:
    """A sparse file, whose pieces lie in the archive one behind the other."""
    data, at = bytearray(member.stamp.bytes), member.offset
    for start, size in member.holes or ():
        piece = archive.read(at, at + size)
        if len(piece) != size or start + size > len(data):
            raise OSError("the archive ends in the middle of it, or is damaged")
        data[start : start + size] = piece
        at += size
    return bytes(data)


def _tar(archive: Bytes, check: Check) -> Index:
    found: Index = {}
    links: dict[str, str] = {}
    reader = cast(IO[bytes], _Reader(archive))
    with tarfile.open(
        fileobj=reader, mode="r:", encoding="utf-8", errors="surrogateescape"
    ) as opened:
        before = -1
        while (info := opened.next()) is not None:
            check()
            if opened.offset <= before:
                raise tarfile.ReadError("a header leads back to an earlier one")
            before = opened.offset
            # tarfile would keep every member in memory.
            opened.members.clear()  # type: ignore[attr-defined]
            name = member_names.of_tar(info.name)
            if info.isdir():
                continue
            # If several members have one path, the last one counts.
            found.pop(name, None)
            links.pop(name, None)
            error = member_names.leads_out(name)
            if error is not None:
                found[name] = Member(_tar_stamp(info), 0, 0, error=error)
            elif info.isreg():
                found[name] = _tar_member(info)
            elif info.islnk():
                target = member_names.of_tar(info.linkname)
                if target in found:
                    found[name] = found[target]
                else:
                    links[name] = target
            elif info.issym():
                links[name] = target_of(name, info.linkname) or _NOWHERE
            else:
                found[name] = Member(_tar_stamp(info), 0, 0, skip=Skip.SPECIAL)
        if archive.read(opened.offset, opened.offset + tarfile.BLOCKSIZE) != _END:
            raise tarfile.ReadError("it breaks off, or is damaged")
    return resolved(found, links)


def _tar_stamp(info: tarfile.TarInfo) -> Stamp:
    time = info.mtime if abs(info.mtime) < _LATEST else 0
    return Stamp(int(time * 10**9), info.size)


def _tar_member(info: tarfile.TarInfo) -> Member:
    holes = cast(list[tuple[int, int]] | None, info.sparse)
    stored = info.size if holes is None else sum(size for _, size in holes)
    error = None if min([info.size, *(min(one) for one in holes or ())]) >= 0 else _NO_SIZE
    return Member(
        _tar_stamp(info),
        info.offset_data,
        stored,
        error=error,
        holes=None if holes is None else tuple(holes),
    )


def _zip(archive: Bytes, check: Check) -> Index:
    found: Index = {}
    links: dict[str, str] = {}
    with zipfile.ZipFile(cast(IO[bytes], _Reader(archive))) as opened:
        infos = opened.infolist()
    _check_apart(infos)
    for info in infos:
        check()
        name = member_names.of_zip(info)
        if info.is_dir():
            continue
        mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
        kind = stat.S_IFMT(mode)
        member = Member(
            Stamp(_zip_time(info), info.file_size, info.CRC),
            info.header_offset,
            info.compress_size,
            info.compress_type,
            member_names.raw_length(info),
            info.CRC,
            member_names.leads_out(name) or _why_not(info),
            Skip.SPECIAL if kind not in (0, stat.S_IFREG, stat.S_IFLNK) else None,
        )
        found.pop(name, None)
        links.pop(name, None)
        if kind == stat.S_IFLNK and member.error is None:
            links[name] = _zip_link(archive, name, member)
        else:
            found[name] = member
    return resolved(found, links)


def _zip_link(archive: Bytes, name: str, member: Member) -> str:
    """The path that a symbolic link names: its content."""
    try:
        given = read(archive, member, _LONGEST_LINK).decode("utf-8", "surrogateescape")
    except (OSError, TooLarge):
        return _NOWHERE
    return target_of(name, given) or _NOWHERE


def _check_apart(infos: Iterable[zipfile.ZipInfo]) -> None:
    """Raises BadZipFile where members share bytes: so a small file can unpack to anything."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise zipfile.BadZipFile("members overlap, as in a zip bomb")
        end = info.header_offset + _ZIP_HEADER + info.compress_size


def _why_not(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"it is packed by method {info.compress_type}; only `deflate` is unpacked"
    return None


def _zip_time(info: zipfile.ZipInfo) -> int:
    try:
        return calendar.timegm((*info.date_time, 0, 0, 0)) * 10**9
    except ValueError:
        return 0


class _Reader:
    """Byte ranges as a file object, for readers of headers."""

    def __init__(self, archive: Bytes) -> None:
        self._archive = archive
        self._at = 0
        self._block, self._start = b"", 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._archive.size}[whence]
        if base + offset < 0:
            # zipfile relies on the error that a file raises here.
            raise OSError(errno.EINVAL, "it is too short")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        whole = self._archive.size
        end = min(whole, whole if size < 0 else self._at + size)
        if end - self._at > _LONGEST_HEADER:
            raise tarfile.ReadError("a header is too long")
        if self._at < self._start or end > self._start + len(self._block):
            # Headers may lie near each other, so read ahead.
            self._start = self._at
            until = min(whole, max(end, self._at + self._archive.ahead))
            self._block = self._archive.read(self._at, until)
        data = self._block[self._at - self._start : max(0, end - self._start)]
        self._at += len(data)
        return data
