"""The listed files of a source, and the skipped ones."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.indexer.sources.resolver import archive_at
from services.indexer.sources.skipping import Skip
from services.indexer.sources.source_file import SourceFile
from shared.objects.address import Address
from shared.objects.file import LocalFile
from shared.objects.local_path import path_of


class Source(list[SourceFile]):
    """The files of a source. `skipped`: number of skipped files, by reason.

    `name`: its name in the catalogue. `below`: common prefix of its paths, if it is a folder.
    `present`: every path in it, if it was listed elsewhere. `is_whole`: whether everything that it
    names is known; an unreadable row may name anything. `notes`: further sentences for the user.
    """

    def __init__(self, address: Address, is_manifest: bool = False) -> None:
        super().__init__()
        self.name = str(address)
        self.is_manifest = is_manifest
        is_folder = not is_manifest and archive_at(address) is None and address.archive is None
        self.below = f"{self.name.rstrip('/')}/" if is_folder else None
        self.present: Collection[str] | None = None
        self.skips: Counter[Skip] = Counter()
        self.is_whole = True
        self.notes: list[str] = []
        self._left_out: set[str] = set()

    @property
    def skipped(self) -> dict[str, int]:
        return {skip.value: self.skips[skip] for skip in Skip if self.skips[skip]}

    def told(self) -> dict[str, Any]:
        """Return the part of a job's result that concerns the source."""
        return {"skipped": self.skipped} | ({"tag_notes": self.notes} if self.notes else {})

    @property
    def is_local(self) -> bool:
        """True if all its files are on this machine's disk."""
        return all(file.file.is_local for file in self)

    def governs(self, path: str) -> bool:
        """Return whether a path lies in the folder or archive that this is."""
        if self.below is not None:
            return (path_of(path) or path).startswith(path_of(self.below) or self.below)
        return not self.is_manifest and path.endswith(f"::{self.name}")

    def skip(self, skip: Skip, path: str) -> None:
        """Count a skipped file; `path`: in the catalogue's spelling.

        Files behind a link to a folder count as present: they stay, as after a folder was moved and
        replaced by a link.
        """
        self.skips[skip] += 1
        if skip not in (Skip.NOT_PICTURES, Skip.LINKS):
            self.leave_out(path)

    def leave_out(self, path: str) -> None:
        """Count a path's former picture as gone."""
        self._left_out.add(path)

    def leaves_out(self, path: str) -> bool:
        """Return whether a path, or a folder above it, was left out."""
        if path in self._left_out:
            return True
        local = path_of(path)
        if local is None or not self._left_out:
            return False
        return any(str(LocalFile(above).path) in self._left_out for above in Path(local).parents)


@dataclass(frozen=True)
class Reading:
    """Options for reading a source.

    `exclude`: .gitignore patterns; `check`: called at each step, may raise to end it.
    """

    exclude: Sequence[str] = ()
    follow_links: bool = False
    check: Callable[[], None] = lambda: None
