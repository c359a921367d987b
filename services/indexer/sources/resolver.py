"""One way to the bytes at any address."""

import copy
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from cachetools import LRUCache

from services.indexer.sources import archive
from services.indexer.sources.allowlist import Root, check_allowed, local_roots
from services.indexer.sources.archive import Bytes, Check
from services.indexer.sources.member import Index, Member
from services.indexer.sources.skipping import Skip
from shared.core.errors import Forbidden, TooLarge
from shared.objects.address import ARCHIVES, WEB, Address
from shared.objects.file import FarFile, File, LocalFile, Stamp, signed, stamp_of
from shared.objects.opening import open_file
from shared.objects.store import Objects

Fetch = Callable[[str], bytes]
"""The file at a web address, by the rules for those."""

_OPEN_ARCHIVES = 4


class Found(NamedTuple):
    """A file below an address. `name`: its path from there; `skip`: why it is no file to take."""

    name: str
    file: File
    skip: Skip | None = None


class Resolver:
    """Reads files and lists folders, wherever they are."""

    def __init__(
        self,
        objects: Objects | None = None,
        fetch: Fetch | None = None,
        extra_protocols: Collection[str] = (),
        roots: Sequence[Root] | None = None,
    ) -> None:
        """`extra_protocols`: protocols to read in addition to the usual ones.

        `roots`: allowed locations.
        """
        self.objects = objects or Objects()
        self.extra_protocols = frozenset(extra_protocols)
        self._fetch = fetch or _no_fetch
        self._archives: LRUCache[Address, tuple[Stamp, Index]] = LRUCache(_OPEN_ARCHIVES)
        self._lock = threading.Lock()
        self._roots = roots

    def within(self, roots: Sequence[Root] | None) -> "Resolver":
        """Return the same resolver, restricted to these roots."""
        found = copy.copy(self)
        found._roots = roots
        return found

    def address(self, text: str) -> Address:
        """Raises InvalidInput."""
        return Address.parse(text, self.extra_protocols)

    def file(self, address: Address) -> File:
        """Return the file at an address, without opening anything but archives.

        Raises Forbidden for locations outside the roots; for local files only when they are read.
        """
        if address.is_local:
            return LocalFile(Path(address.path), local_roots(self._roots))
        check_allowed(address, self._roots)
        if address.protocol in WEB:
            return FarFile(str(address), partial(self._web, address))
        if address.archive is None:
            return self.objects.file(address)
        return FarFile(
            str(address), partial(self._of_archive, address), lambda: self._member(address)[1].stamp
        )

    def list(
        self, address: Address, follow_links: bool = False, check: Check = lambda: None
    ) -> list[Found]:
        """List every file below a folder of an object store or archive, in the order of local
        folders: files before sub-folders.

        `follow_links`: include files behind links to folders of an archive. `check` is called in
        between and may raise to end it. Raises OSError, InvalidInput, Unavailable.
        """
        found: list[Found] = []
        if address.archive is not None:
            found += self._members(address, follow_links, check)
        else:
            start = len(address.path) + 1
            for at, stamp in self.objects.list(address):
                check()
                found.append(Found(at.path[start:], self.objects.file(at, stamp)))
        found.sort(key=lambda one: _folders_last(one.name))
        return found

    def _members(self, address: Address, follow_links: bool, check: Check) -> Iterator[Found]:
        opened, index = self._opened(address, check)
        start = f"{address.path}/" if address.path else ""
        for name, member in index.items():
            if member.is_folder if follow_links else member.through_link:
                continue
            if name.startswith(start):
                where = str(Address(address.protocol, name, address.archive))
                yield Found(
                    name.removeprefix(start),
                    FarFile(where, partial(archive.read, opened, member), listed=member.stamp),
                    member.skip,
                )

    def _of_archive(self, address: Address, most: int) -> bytes:
        opened, member = self._member(address)
        return archive.read(opened, member, most)

    def _member(self, address: Address) -> tuple[Bytes, Member]:
        opened, index = self._opened(address)
        if address.path not in index or index[address.path].skip is not None:
            raise FileNotFoundError(2, "the archive has no such member", str(address))
        return opened, index[address.path]

    def _opened(self, address: Address, check: Check = lambda: None) -> tuple[Bytes, Index]:
        """Return an archive with its index; its headers are read again if it has changed."""
        where = address.archive
        if where is None:
            raise ValueError(f"{address} is of no archive")
        opened: Bytes
        if where.is_local:
            local = Path(where.path)
            opened = _LocalBytes(local, LocalFile(local).stamp(), local_roots(self._roots))
        else:
            opened = _ObjectBytes(self.objects, where, self.objects.look(where))
        with self._lock:
            kept = self._archives.get(where)
        if kept is None or kept[0] != opened.stamp:
            index = archive.index(opened, address.protocol, where.name, check)
            kept = opened.stamp, _versioned(index, opened.stamp)
        with self._lock:
            self._archives[where] = kept
        return opened, kept[1]

    def _web(self, address: Address, most: int) -> bytes:
        data = self._fetch(str(address))
        if len(data) > most:
            raise TooLarge(f"{address} is over the limit of {most / 2**20:g} MiB.")
        return data


def _versioned(index: Index, stamp: Stamp) -> Index:
    """Return an index whose members have versions: their CRC, else the archive's own stamp.

    A tar has no checksums of members, and many tars have times of zero.
    """
    digest = blake2b(repr(tuple(stamp)).encode(), digest_size=8).digest()
    version = signed(int.from_bytes(digest, "big"))
    return {
        name: member
        if member.crc is not None
        else replace(member, stamp=member.stamp._replace(inode=version))
        for name, member in index.items()
    }


def archive_at(address: Address) -> Address | None:
    """The top of an archive, where an address is that of one by its name."""
    protocol = address.suffix.removeprefix(".")
    if protocol not in ARCHIVES or address.archive is not None:
        return None
    return Address(protocol, "", address)


@dataclass(frozen=True)
class _LocalBytes:
    path: Path
    stamp: Stamp
    roots: Sequence[Path] | None = None
    ahead = 2**14

    @property
    def size(self) -> int:
        return self.stamp.bytes

    def read(self, start: int, end: int) -> bytes:
        with open_file(self.path, self.roots) as file:
            file.seek(start)
            data = file.read(min(end, self.size) - start) if start < self.size else b""
            now = stamp_of(os.fstat(file.fileno()))
        if now != self.stamp:
            raise OSError(f"{self.path.name} was written to meanwhile")
        return data


@dataclass(frozen=True)
class _ObjectBytes:
    objects: Objects
    address: Address
    stamp: Stamp
    ahead = 2**20

    @property
    def size(self) -> int:
        return self.stamp.bytes

    def read(self, start: int, end: int) -> bytes:
        end = min(end, self.size)
        return self.objects.read(self.address, start, end) if start < end else b""


def _folders_last(name: str) -> list[tuple[bool, str]]:
    *folders, last = name.split("/")
    return [*((True, folder) for folder in folders), (False, last)]


def _no_fetch(text: str) -> bytes:
    raise Forbidden(f"{text} may not be fetched: no host is named in ISE_FETCH_HOSTS.")
