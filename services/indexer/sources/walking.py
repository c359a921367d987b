"""The files of a folder on this machine, in depth and in a stable order."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from services.indexer.sources.skipping import IGNORE_FILE, LONGEST_IGNORE_FILE, Rules, Skip
from shared.core.errors import InvalidInput, ISEError, TooLarge
from shared.objects.file import LocalFile
from shared.objects.local_path import readable

log = logging.getLogger(__name__)

# Links can lead to one folder by very many paths, even without a loop.
_WAYS_TO_A_FOLDER = 8

Identity = tuple[int, int]


class Seen(NamedTuple):
    """A file of a folder, or the reason why it was skipped.

    `error`: reason why it can't be ingested, in a sentence.
    """

    path: Path
    uri: str
    skip: Skip | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Folder:
    path: Path
    # Path from the root of the walk, as the file system spells it.
    within: str = ""
    above: frozenset[Identity] = frozenset()


@dataclass
class Walk:
    """One walk.

    `allowed` raises Forbidden for a link that must not be followed; `check` is called at each step,
    and may raise to end the walk.
    """

    top: Path
    rules: Rules
    follow_links: bool = False
    allowed: Callable[[Path], None] = lambda _: None
    check: Callable[[], None] = lambda: None
    _ways: Counter[Identity] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Seen]:
        """Each file, a folder's files before its folders. Raises InvalidInput where the top can't
        be read."""
        pending = [_Folder(self.top)]
        while pending:
            folder = pending.pop()
            self.check()
            try:
                children = sorted(folder.path.iterdir())
                if self.follow_links:
                    folder = self._entered(folder)
                yield from self._ignored(folder, children)
            except (OSError, ValueError, ISEError) as error:
                if folder.path == self.top:
                    raise InvalidInput(
                        f"{readable(str(self.top))} can't be read: {_reason(error)}."
                    ) from None
                yield self._failed(folder.path, folder.within, "folder", error)
                continue
            folders: list[_Folder] = []
            for path in children:
                self.check()
                name = path.name
                within = f"{folder.within}/{name}" if folder.within else name
                try:
                    seen = self._looked_at(folder, path, within)
                except (OSError, ValueError, ISEError) as error:
                    yield self._failed(path, within, "file", error)
                    continue
                if isinstance(seen, _Folder):
                    folders.append(seen)
                elif seen is not None:
                    yield seen
            pending += reversed(folders)

    def _looked_at(self, folder: _Folder, path: Path, within: str) -> Seen | _Folder | None:
        if path.name == IGNORE_FILE:
            return None
        is_link = path.is_symlink()
        is_folder = path.is_dir()
        if skip := self.rules.why(within, is_folder):
            return Seen(path, readable(within), skip)
        if is_folder and not is_link:
            return _Folder(path, within, folder.above)
        if is_folder:
            return self._linked(folder, path, within)
        if path.is_file():
            if is_link:
                self.allowed(path)
            return Seen(path, readable(within))
        return Seen(path, readable(within), Skip.LINKS if is_link else Skip.SPECIAL)

    def _linked(self, folder: _Folder, path: Path, within: str) -> Seen | _Folder:
        left_out = Seen(path, readable(within), Skip.LINKS)
        if not self.follow_links:
            return left_out
        self.allowed(path)
        identity = _identity(path)
        self._ways[identity] += 1
        if identity in folder.above or self._ways[identity] > _WAYS_TO_A_FOLDER:
            return left_out
        return _Folder(path, within, folder.above)

    def _entered(self, folder: _Folder) -> _Folder:
        above = folder.above | {_identity(folder.path)}
        return _Folder(folder.path, folder.within, above)

    def _ignored(self, folder: _Folder, children: list[Path]) -> Iterator[Seen]:
        """Read the folder's own rules.

        If they can't be read, skipped files are unknown, so the folder counts as unreadable.
        """
        own = folder.path / IGNORE_FILE
        if own not in children:
            return
        if not own.is_symlink() and not own.is_file():
            # A folder or a pipe of that name says no rules.
            yield Seen(own, readable(str(own.relative_to(self.top))), Skip.SPECIAL)
            return
        try:
            self.allowed(own)
            bad = self.rules.add(folder.within, LocalFile(own).read(LONGEST_IGNORE_FILE))
        except (OSError, TooLarge) as error:
            raise OSError(None, f"its {IGNORE_FILE} can't be read: {_reason(error)}") from None
        if bad:
            uri = readable(str(own.relative_to(self.top)))
            yield Seen(own, uri, error=bad_lines(bad))

    @staticmethod
    def _failed(path: Path, within: str, kind: str, error: Exception) -> Seen:
        if not isinstance(error, OSError | ISEError):
            log.exception("%a can't be examined", str(path))
        said = (
            error.detail
            if isinstance(error, ISEError)
            else f"The {kind} can't be read: {_reason(error)}."
        )
        return Seen(path, readable(within), error=said)


def bad_lines(numbers: list[int]) -> str:
    """Return a sentence on the invalid lines of an ignore file."""
    lines = ", ".join(map(str, numbers[:5]))
    return f"Line {lines} is not a .gitignore pattern and was ignored."


def _identity(path: Path) -> Identity:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _reason(error: Exception) -> str:
    if isinstance(error, ISEError):
        return error.detail.rstrip(".")
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
