"""The files of a source as they were listed, and what was left out of them."""

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
    """The files of a source. `skipped`: how many were left out beside them, by reason.

    `name`: as the catalogue knows it. `below`: how the paths of all that is in it begin, where it
    is a folder that governs them. `present`: every path in it, where it was listed elsewhere.
    `is_whole`: whether all that it names is known; a row that can't be read may name anything.
    `notes`: what else is to be told, in sentences.
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
        """Return what a job's result tells of it."""
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
        """Counts what is left out; `path`: as the catalogue would have it.

        What is behind a link to a folder is there: it stays, as where a folder was moved and a link
        put in its place.
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
    """How a source is read. `exclude`: patterns as in a .gitignore; `check`: is called at each step
    and may raise to end it."""

    exclude: Sequence[str] = ()
    follow_links: bool = False
    check: Callable[[], None] = lambda: None
