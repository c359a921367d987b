"""Images that a model has no features of yet; they are embedded from their files."""

from collections.abc import Callable
from typing import NamedTuple

from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Place
from services.indexer.embedding.client import ModelPair
from services.indexer.ingest.distributed import PART_FILES
from services.indexer.jobs.context import JobContext
from services.indexer.sources.source import SourceFile, Unusable, stamp_of
from services.indexer.storage.image_files import ImageFiles
from services.indexer.workflows.unembeddable import Unembeddable

TakeIn = Callable[[list[SourceFile], ModelPair, JobContext], object]


class GivenUp(NamedTuple):
    """Images that could not be embedded; and how many of them drop out of search."""

    ids: set[str]
    dropped: int


class Reembedding:
    """Embeds them by `take_in`. What is embedded is never embedded again."""

    def __init__(
        self,
        images: Images,
        files: ImageFiles,
        dropouts: Unembeddable,
        take_in: TakeIn,
    ) -> None:
        self._images = images
        self._files = files
        self._dropouts = dropouts
        self._take_in = take_in

    def embed(self, pair: ModelPair, job: JobContext, drop_missing: bool = False) -> GivenUp:
        """Embeds all that there are now; gives those whose files can't be used.

        Raises Conflict where some would drop out of search and `drop_missing` isn't set.
        """
        missing = self.ids(pair)
        if not missing:
            return GivenUp(set(), 0)
        files, gone = self._found(missing)
        if not drop_missing:
            # Fail before the work if images would certainly be lost.
            self._dropouts.refuse(self._dropouts.ids(pair) & gone)
        self._take_in(files, pair, job)
        # `embed_late` handles images added meanwhile.
        dropped = self._dropouts.ids(pair) & missing
        if not drop_missing:
            self._dropouts.refuse(dropped)
        return GivenUp(self.ids(pair) & missing, len(dropped))

    def embed_some(self, pair: ModelPair, ids: set[str], job: JobContext) -> int:
        """Embeds those of some images that lack features; return how many files were tried.

        They are no part of what the job embeds: files that fail are told when it comes to them.
        """
        files, gone = self._found(self.ids(pair) & ids)
        there = [file for file in files if not _is_gone(file)] if gone else files
        # By this worker alone: a job shares its files with others once.
        for start in range(0, len(there), PART_FILES):
            self._take_in(there[start : start + PART_FILES], pair, job.aside())
        return len(there)

    def embed_late(self, pair: ModelPair, job: JobContext, given_up: set[str]) -> set[str]:
        """Embeds those that came meanwhile, but not again what could not be embedded before.

        Return their ids.
        """
        if late := self.ids(pair) - given_up:
            self._take_in(self._found(late)[0], pair, job)
        return late

    def in_search(self, pair: ModelPair) -> set[str]:
        """The images that are found now and lack features of either model."""
        return self._dropouts.ids(pair)

    def ids(self, pair: ModelPair) -> set[str]:
        """The images that lack features of either model."""
        return {i for f in sorted(pair.all) for i in self._images.without_features(f)}

    def _found(self, missing: set[str]) -> tuple[list[SourceFile], set[str]]:
        """A file for each image, and the images that have none."""
        files, gone = [], set()
        for image_id in sorted(missing):
            # Unchanged files first, because a changed one may contain another picture.
            placed = [
                (SourceFile(self._files.file(image_id, place), place.uri), place)
                for place in self._images.places(image_id)
            ]
            found = [file for file, _ in sorted(placed, key=lambda one: not _is_as_noted(*one))]
            there = [file for file in found if not _is_gone(file)]
            files += (there or found)[:1]
            if not there:
                gone.add(image_id)
        return files, gone


def _is_as_noted(file: SourceFile, place: Place) -> bool:
    """Return whether a local file has the time and size that the catalogue knows."""
    try:
        stamp = stamp_of(file) if file.file.is_local else None
    except Unusable:
        return False
    return stamp is not None and (stamp.mtime_ns, stamp.bytes) == (place.mtime_ns, place.bytes)


def _is_gone(file: SourceFile) -> bool:
    """Return whether a local file is gone; a remote one is only found missing when it is read, as
    asking for each would take long.
    """
    try:
        return file.file.is_local and stamp_of(file) is None
    except Unusable:
        return True
