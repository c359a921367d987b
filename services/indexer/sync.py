"""Brings the collection in line with a folder or manifest: what came, changed, moved and went."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from services.indexer.catalog.images import Entry, FeaturePlace, Images
from services.indexer.catalog.origins import Dismissed, Origins
from services.indexer.catalog.places import Claim, Place
from services.indexer.ingest import place_of, signed
from services.indexer.job_context import JobContext
from services.indexer.publisher import Publisher
from services.indexer.sources import Source, SourceFile, Unusable, parse_tags, stat_of
from services.indexer.sync_plan import FileNow, Planner, SyncPlan
from shared import durable
from shared.contracts.sync import SyncAction
from shared.contracts.sync import SyncPlan as WirePlan
from shared.contracts.sync import SyncStep as WireStep
from shared.errors import Conflict
from shared.identity import id_of_sha256

# Changes that are made in one transaction, so that an upload never waits long for its turn.
_AT_ONCE = 5000
_LISTED = 10_000

T = TypeVar("T")


class Sync:
    """One run over a source: look, then follow."""

    def __init__(
        self,
        source: Path,
        images: Images,
        origins: Origins,
        publisher: Publisher,
        job: JobContext,
        max_image_bytes: int,
    ) -> None:
        self._source = source
        self._name = str(source)
        self._images = images
        self._origins = origins
        self._publisher = publisher
        self._job = job
        self._max_image_bytes = max_image_bytes
        self._unsure: set[tuple[str, str]] = set()
        self._dismissed: dict[str, Dismissed] = {}
        self._dismissed_now: list[Dismissed] = []
        self.unchanged = 0
        self.dismissed = 0

    def look(self, found: Source) -> SyncPlan:
        """What is to be done. Files of the same time, size and inode as before aren't read."""
        is_folder = self._source.is_dir()
        claims = self._origins.claims(
            self._name, f"{self._name.rstrip('/')}/" if is_folder else None
        )
        files = self._identified(found, {one.place.path: one for one in claims})
        is_gone = _Gone([now.place for now in files])
        planner = Planner(self._name, claims, is_gone, is_manifest=not is_folder)
        plan = planner.plan(files, self._unsure)
        told = {step.uri for step in plan.steps}
        self.unchanged = sum(now.place.uri not in told for now in files)
        return plan

    def check(self, plan: SyncPlan) -> None:
        """Raises Conflict where more than half of the files are gone."""
        if needs_force(plan):
            raise Conflict(
                f"{plan.counts()[SyncAction.DELETE]:,} of the {plan.before:,} files that were "
                f"taken from {self._name} are gone. Is its disk mounted? If this is right, sync "
                "with `force` (`--force`). Nothing was changed."
            )

    def follow(self, plan: SyncPlan) -> None:
        """Does all of a plan but the embedding. Places first: a moved image is never without."""
        for claims in _parts(plan.put):
            self._put(claims)
        # Together: the files of two images may have changed places.
        if plan.swapped:
            self._put(plan.swapped)
        for gone in _parts(plan.gone):
            self._drop(gone, [])
        for unnamed in _parts(plan.unnamed):
            self._drop([], unnamed)
        within = f"{self._name}/"
        is_gone = _Gone([])
        left = [path for path in self._dismissed if path.startswith(within)]
        forgotten = [path for path in left if is_gone(path)]
        self._origins.dismissed_are_now(self._dismissed_now, forgotten)

    def record(
        self, entries: Sequence[Entry], places: Mapping[str, Sequence[FeaturePlace]]
    ) -> list[str]:
        """Records what was embedded; an image whose last path it takes is deleted."""
        with self._publisher.burying() as bury:
            return self._images.record(entries, places, bury)

    def shown(self, plan: SyncPlan) -> WirePlan:
        """The plan, to go over the wire."""
        return WirePlan(
            counts=plan.counts(),
            embed=len(plan.embed),
            unchanged=self.unchanged,
            dismissed=self.dismissed,
            needs_force=needs_force(plan),
            steps=[
                WireStep(action=step.action, uri=step.uri, was=step.was, tags=list(step.tags))
                for step in plan.steps[:_LISTED]
            ],
            left_out=max(0, len(plan.steps) - _LISTED),
        )

    def _put(self, claims: Sequence[Claim]) -> None:
        self._job.check_cancelled()
        with self._publisher.burying() as bury:
            self._origins.put(claims, bury)

    def _drop(self, gone: Sequence[str], unnamed: Sequence[tuple[str, str]]) -> None:
        self._job.check_cancelled()
        with self._publisher.burying() as bury:
            self._origins.drop(gone, unnamed, self._name, bury)

    def _identified(self, found: Source, at: Mapping[str, Claim]) -> list[FileNow]:
        """The files that are to be in the collection, with the known images that they hold."""
        self._dismissed = {one.path: one for one in self._origins.dismissed()}
        settled: list[FileNow] = []
        unread: list[tuple[SourceFile, Place]] = []
        for file in _joined(found):
            if (place := self._place(file)) is None:
                continue
            known, left = at.get(place.path), self._dismissed.get(place.path)
            if known and replace(known.place, uri=place.uri) == place:
                settled.append(FileNow(file, place, known.image_id))
            elif left and (left.mtime_ns, left.bytes) == (place.mtime_ns, place.bytes):
                self.dismissed += 1
            else:
                unread.append((file, place))
        return settled + self._read(unread)

    def _read(self, unread: list[tuple[SourceFile, Place]]) -> list[FileNow]:
        """Hashes those whose size an image has; another size is another image."""
        sizes = self._origins.sizes() if unread else set()
        ids: dict[Place, str] = {}
        for file, place in unread:
            self._job.check_cancelled()
            if place.bytes in sizes and place.bytes <= self._max_image_bytes:
                try:
                    ids[place] = id_of_sha256(durable.sha256_of(file.path))
                except OSError as error:
                    self._leave(file, f"The file can't be read: {error.strerror or error}.")
        present = self._searchable(sorted(set(ids.values())))
        deleted = {one.image_id for one in self._dismissed.values()} - present
        files: list[FileNow] = []
        for file, place in unread:
            image_id = ids.get(place)
            if (place.path, place.uri) in self._unsure:
                continue
            if image_id in deleted:
                now = Dismissed(image_id, place.path, place.mtime_ns, place.bytes)
                self._dismissed_now.append(now)
            else:
                files.append(FileNow(file, place, image_id if image_id in present else None))
        self.dismissed += len(self._dismissed_now)
        return files

    def _searchable(self, ids: Sequence[str]) -> set[str]:
        """Which of these images the index has, or can have without embedding them."""
        visual = self._publisher.current().visual
        if visual is None:
            return set()
        return {i for some in _parts(ids) for i in self._images.known(some, [visual.fingerprint])}

    def _place(self, file: SourceFile) -> Place | None:
        """Where a file is, or None where nothing can be told of it now."""
        try:
            return place_of(file, stat_of(file))
        except Unusable as unusable:
            if unusable.is_gone:
                self._job.fail(unusable.shown, unusable.reason)
            else:
                self._leave(file, unusable.reason, unusable.shown)
            return None

    def _leave(self, file: SourceFile, reason: str, shown: str | None = None) -> None:
        """A file that can't be read: what the catalogue has of it stays as it is."""
        self._unsure.add((str(file.path.absolute()), file.uri))
        self._job.fail(shown or file.uri, reason)


def needs_force(plan: SyncPlan) -> bool:
    """Whether so much is gone that it may be a disk that isn't mounted."""
    return plan.counts()[SyncAction.DELETE] * 2 > plan.before


def _joined(found: Source) -> list[SourceFile]:
    """A manifest may name a file more than once: all that it says of it counts."""
    files: dict[tuple[Path, str], SourceFile] = {}
    for file in found:
        if (same := files.get((file.path, file.uri))) is not None:
            file = replace(
                file,
                tags=parse_tags([*same.tags, *file.tags]),
                metadata={**same.metadata, **file.metadata},
            )
        files[file.path, file.uri] = file
    return list(files.values())


class _Gone:
    """Says whether there is surely no file at a path."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places

    def __call__(self, path: str) -> bool:
        try:
            stat = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        # Where case doesn't count, a renamed file is found by its former name too.
        return self._listed.get((path.casefold(), signed(stat.st_ino)), path) != path

    @cached_property
    def _listed(self) -> dict[tuple[str, int], str]:
        return {(place.path.casefold(), place.inode): place.path for place in self._places}


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
