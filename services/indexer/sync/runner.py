"""Updates the collection from a folder or manifest: added, changed, moved and deleted files."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import cached_property
from stat import S_ISLNK, S_ISREG
from typing import TypeVar

from services.indexer.catalog.locations import Bury, Place, SourceEntry
from services.indexer.catalog.second_files import FileOwners
from services.indexer.catalog.source_claims import Dismissed, Origins
from services.indexer.ingest.one_by_one import each_alone
from services.indexer.ingest.pipeline import IngestSettings, place_of
from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection
from services.indexer.sources.annotations import parse_tags
from services.indexer.sources.prefetch import ahead
from services.indexer.sources.source_file import SourceFile, Unusable, attempt, stamp_of
from services.indexer.sources.source_list import Source
from services.indexer.sync.guard import SyncGuard
from services.indexer.sync.planner import FileNow, Planner, SyncPlan
from shared.contracts.sync import HeldFolder
from shared.contracts.sync import SyncPlan as WirePlan
from shared.contracts.sync import SyncStep as WireStep
from shared.core.errors import InvalidInput
from shared.media.identity import id_of_sha256
from shared.media.names import is_developed, is_raw
from shared.objects.file import Stamp, signed
from shared.objects.local_path import path_of

# Changes per transaction: few enough that an upload never waits long.
_AT_ONCE = 5000
_LISTED = 10_000

T = TypeVar("T")
R = TypeVar("R")


class Sync:
    """One run over a source: look, then follow."""

    def __init__(
        self,
        source: Source,
        collection: Collection,
        origins: Origins,
        job: JobContext,
        settings: IngestSettings,
        force: bool = False,
        force_in: Sequence[str] = (),
    ) -> None:
        """`force`: all missing files may be deleted; `force_in`: those in these folders may."""
        self._source = source
        self._name = source.name
        self._images = collection.images
        self._owners = FileOwners(collection.images.database)
        self._origins = origins
        self._current = collection.current
        self._deletions = collection.deletions
        self._job = job
        self._undo = job.id or None
        self._settings = settings
        self._force = force
        self._guard = SyncGuard(source, origins, force_in)
        self._unsure: set[tuple[str, str]] = set()
        self._unreadable: dict[str, str] = {}
        self._present: set[str] = set()
        self._dismissed: dict[str, Dismissed] = {}
        self._left_out: dict[str, str] = {}
        self._dismissed_now: list[Dismissed] = []
        self.unchanged = 0
        self.dismissed = 0

    def look(self) -> SyncPlan:
        """Plan the sync. Files of the same time, size and inode as before aren't read."""
        claims = self._origins.claims(self._name, self._source.below)
        files = self._identified({one.place.path: one for one in claims})
        is_gone = _Gone(self._source, [now.place for now in files])
        guard = self._guard.of(claims, self._present, self._unreadable)
        # An unreadable row of a manifest may be the one that names a file.
        names_all = self._source.is_manifest and self._source.is_whole
        leaves_out = self._source.leaves_out
        planner = Planner(self._name, claims, is_gone, names_all, guard, leaves_out, self._force)
        plan = planner.plan(files, self._unsure)
        reported = {step.uri for step in plan.steps}
        self.unchanged = sum(now.place.uri not in reported for now in files)
        return plan

    def check(self, plan: SyncPlan) -> None:
        """Raise Conflict if half of the files are missing, for example because a disk isn't
        mounted.
        """
        self._guard.check(plan)

    def follow(self, plan: SyncPlan) -> None:
        """Does all of a plan but the embedding. Places first: a moved image is never without."""
        for claims in _parts(plan.put):
            self._put(claims)
        # In one transaction, because the files of two images may have been swapped.
        if plan.swapped:
            self._put(plan.swapped)
        for gone in _parts(plan.gone):
            self._drop(gone, [])
        for unnamed in _parts(plan.unnamed):
            self._drop([], unnamed)
        is_gone = _Gone(self._source)
        left = [path for path in self._dismissed if self._source.governs(path)]
        is_unmounted = self._guard.may_be_mounted_again
        forgotten = [p for p in left if is_gone(p) and (self._force or not is_unmounted(p))]
        self._origins.dismissed_are_now(self._dismissed_now, forgotten)
        self._guard.note(plan)

    def held_back(self, plan: SyncPlan) -> list[HeldFolder]:
        """Return the folders whose pictures are missing but are not deleted."""
        return self._guard.held_back(plan)

    def shown(self, plan: SyncPlan) -> WirePlan:
        """The plan, to go over the wire."""
        return WirePlan(
            counts=plan.counts(),
            embed=len(plan.embed),
            unchanged=self.unchanged,
            dismissed=self.dismissed,
            needs_force=plan.needs_force,
            held_back=self.held_back(plan),
            steps=[
                WireStep(action=step.action, uri=step.uri, was=step.was, tags=list(step.tags))
                for step in plan.steps[:_LISTED]
            ],
            left_out=max(0, len(plan.steps) - _LISTED),
        )

    def _put(self, claims: Sequence[SourceEntry]) -> None:
        self._job.check_cancelled()
        each_alone(claims, self._put_together, self._fail)

    def _put_together(self, claims: Sequence[SourceEntry]) -> None:
        with self._burying() as bury:
            self._origins.put(claims, bury, self._images.keeps_deleted, self._undo)

    def _fail(self, claim: SourceEntry, why: str) -> None:
        self._job.fail(claim.place.uri, why)

    def _drop(self, gone: Sequence[str], unnamed: Sequence[tuple[str, str]]) -> None:
        self._job.check_cancelled()
        keeps = self._images.keeps_deleted
        with self._burying() as bury:
            self._origins.drop(gone, unnamed, self._name, bury, keeps, self._undo)

    def _burying(self) -> AbstractContextManager[Bury]:
        keeps = self._images.keeps_deleted
        return self._deletions.burying(keeps_files=keeps, by_sync=True, undo=self._undo)

    def _identified(self, at: Mapping[str, SourceEntry]) -> list[FileNow]:
        """The files that are to be in the collection, with the known images that they hold."""
        self._dismissed = {one.path: one for one in self._origins.dismissed()}
        settled: list[FileNow] = []
        unread: list[tuple[SourceFile, Place]] = []
        for file, place in self._places(_joined(self._source)):
            self._present.add(place.path)
            known, left = at.get(place.path), self._dismissed.get(place.path)
            if known and place.is_as(known.place):
                # Only reading the bytes could confirm a ctime that the catalogue lacks.
                place = replace(place, ctime_ns=known.place.ctime_ns)
                settled.append(FileNow(file, place, known.image_id))
            elif left and (left.mtime_ns, left.bytes) == (place.mtime_ns, place.bytes):
                self.dismissed += 1
                self._left_out[place.path] = left.image_id
            else:
                unread.append((file, place))
        return settled + self._read(unread)

    def _read(self, unread: list[tuple[SourceFile, Place]]) -> list[FileNow]:
        """Hash only files whose size an image has; another size means another image."""
        sizes = self._origins.sizes() if unread else set()
        digests: dict[Place, str] = {}
        formed: set[str] = set()
        # A picture of such a size was never taken in, so only a video can be alike.
        most = max(self._settings.max_image_bytes, self._settings.max_video_bytes)
        alike = [(f, place) for f, place in unread if place.bytes in sizes and place.bytes <= most]
        for (file, place), found in self._ahead(alike, self._hashed, lambda one: one[1].bytes):
            if isinstance(found, str):
                digests[place] = found
                formed |= {found} if is_raw(file.uri) or is_developed(file.uri) else set()
            else:
                self._leave(file, found)
        ids = self._ids(digests, formed)
        present = self._searchable(sorted({*ids.values()}))
        gone: dict[str, set[int]] = {}
        for one in self._dismissed.values():
            if one.image_id not in present:
                gone.setdefault(one.image_id, set()).add(one.bytes)
        self._left_out |= {p.path: image_id for p, image_id in ids.items() if image_id in gone}
        files: list[FileNow] = []
        for file, place in unread:
            if (place.path, place.uri) in self._unsure:
                continue
            image_id = ids.get(place)
            if image_id not in present:
                # Of a RAW and its JPEG, which a user deleted as one image, the one tells the other.
                partner = file.partner.path if file.partner is not None else ""
                left_out = self._left_out.get(partner)
                if left_out is not None and place.bytes in gone.get(left_out, ()):
                    image_id = left_out
            if image_id is not None and image_id in gone:
                now = Dismissed(image_id, place.path, place.mtime_ns, place.bytes)
                self._dismissed_now.append(now)
            else:
                # Hashed: the catalogue then knows whether it is the image's own file.
                place = replace(place, sha256=digests.get(place, ""))
                files.append(FileNow(file, place, image_id if image_id in present else None))
        self.dismissed += len(self._dismissed_now)
        return files

    def _ids(self, digests: Mapping[Place, str], formed: Set[str]) -> dict[Place, str]:
        """Return the images that files hold, by SHA-256. `formed`: that of RAW files and JPEGs,
        which may be all that is left of an image whose id is by the other one.
        """
        ids = {place: id_of_sha256(digest) for place, digest in digests.items()}
        owners = self._owners.at({place.path: digest for place, digest in digests.items()})
        known = self._searchable(sorted({*ids.values()}))
        others = {d for p, d in digests.items() if d in formed and ids[p] not in known}
        left = self._owners.own(sorted(others)) if others else {}
        return {
            place: owners.get(place.path) or left.get(digest) or ids[place]
            for place, digest in digests.items()
        }

    def _searchable(self, ids: Sequence[str]) -> set[str]:
        """Return the images that the index has, or can have without embedding them."""
        visual = self._current.manifest().visual
        if visual is None:
            return set()
        return {i for batch in _parts(ids) for i in self._images.known(batch, [visual.fingerprint])}

    def _hashed(self, one: tuple[SourceFile, Place]) -> str | Unusable:
        file = one[0].file
        most = self._settings.max_image_bytes
        if file.is_local:
            most = max(most, self._settings.max_video_bytes)
        try:
            return attempt(lambda: one[0].file.sha256(most))
        except Unusable as unusable:
            return unusable

    def _places(self, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, Place]]:
        """Yield the files that can be examined now, with their places."""
        for file, found in self._ahead(files, _stamp, lambda _: 0):
            if isinstance(found, Stamp):
                yield file, place_of(file, found)
            elif found is None:
                raise InvalidInput(
                    "A sync can't follow pictures by http, because it can't detect changes "
                    "without fetching all of them. Ingest the list without a sync; known "
                    "pictures aren't embedded again."
                )
            elif found.is_gone:
                self._job.fail(file.shown, found.reason)
            else:
                self._leave(file, found)

    def _ahead(
        self, items: Sequence[T], look: Callable[[T], R], size: Callable[[T], int]
    ) -> Iterator[tuple[T, R]]:
        """Yield each item with the result of `look`, in order; remote files in parallel."""
        settings = self._settings
        found = (
            map(look, items)
            if self._source.is_local
            else ahead(items, look, size, settings.reads, settings.batch_bytes)
        )
        for item, said in zip(items, found, strict=True):
            self._job.check_cancelled()
            yield item, said

    def _leave(self, file: SourceFile, why: Unusable) -> None:
        """Keep the catalogue's state of a file that can't be read."""
        self._unsure.add((file.path, file.uri))
        self._unreadable[file.path] = why.reason
        self._job.fail(file.shown, why.reason)


def _stamp(file: SourceFile) -> Stamp | Unusable | None:
    try:
        return stamp_of(file)
    except Unusable as unusable:
        return unusable


def _joined(found: Source) -> list[SourceFile]:
    """A manifest may name a file more than once: all that it says of it counts."""
    files: dict[tuple[str, str], SourceFile] = {}
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

    def __init__(self, source: Source, places: Sequence[Place] = ()) -> None:
        self._present = source.present
        self._places = places

    def __call__(self, path: str) -> bool:
        if path_of(path) is None:
            return self._present is not None and path not in self._present
        local = path_of(path) or path
        try:
            stat = os.lstat(local)
            is_link = S_ISLNK(stat.st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except (OSError, ValueError):
            return False
        with suppress(OSError):
            # The path may now be a folder or a pipe, and the target of a link may not be mounted
            # yet.
            if not S_ISREG((os.stat(local) if is_link else stat).st_mode):  # noqa: PTH116
                return True
        # On a case-insensitive file system, a renamed file is found by its former name too.
        return self._listed.get((path.casefold(), signed(stat.st_ino)), path) != path

    @cached_property
    def _listed(self) -> dict[tuple[str, int], str]:
        return {(place.path.casefold(), place.inode): place.path for place in self._places}


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
