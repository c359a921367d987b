"""Protects a sync from deletions without consent, and reports what was held back."""

from collections.abc import Collection, Mapping, Sequence

from services.indexer.catalog.locations import SourceEntry
from services.indexer.catalog.source_claims import Origins
from services.indexer.sources.source import Source
from services.indexer.sync.folder_guard import FolderGuard, folder_of, mount_points, why_held
from services.indexer.sync.planner import SyncPlan
from shared.contracts.sync import HeldFolder, SyncAction
from shared.core.errors import Conflict
from shared.objects.local_path import path_of, readable, text_of


class SyncGuard:
    """Compares the folders of a source with those of its last sync."""

    def __init__(self, source: Source, origins: Origins, consented: Sequence[str] = ()) -> None:
        """`consented`: folders whose pictures may go, by their paths in the source, or whole."""
        self._source = source
        self._origins = origins
        self._consented = [_folder_in(source, folder) for folder in consented]
        self._known: set[str] = set()
        self._present: set[str] = set()
        self._unreadable: Mapping[str, str] = {}
        self._base = ""
        self._mounts: set[str] | None = None
        self._remounted: set[str] = set()
        self._guard = FolderGuard((), ())

    def of(
        self, claims: Sequence[SourceEntry], present: Collection[str], unreadable: Mapping[str, str]
    ) -> FolderGuard:
        """Return the guard for a plan. `present`: every path that was seen; `unreadable`: those of
        them that can't be read, with the reason."""
        self._known = {one.place.path for one in claims}
        self._unreadable = unreadable
        self._present = {*present, *unreadable}
        below = _local(self._source.below)
        base = None if below is None else below.rstrip("/")
        paths = {path_of(path) or path for path in self._known | self._present}
        if below is not None and not all(path.startswith(below) for path in paths):
            # The source was given in another spelling than its files have, such as /a//b.
            base = None
        guard = FolderGuard(self._known, self._present, base, consented=self._consented)
        self._base = guard.base
        if self._source.is_local and self._source.present is None:
            self._look_for_mounts(guard)
        self._guard = FolderGuard(
            self._known, self._present, base, self._remounted, self._consented
        )
        return self._guard

    def _look_for_mounts(self, guard: FolderGuard) -> None:
        folders = {guard.base}
        for path in self._known | self._present:
            folders.update(guard.chain(folder_of(path)))
        self._mounts = mount_points(folders)
        before = self._origins.mounts(self._source.name)
        if before is not None:
            self._remounted = ({path_of(path) or path for path in before} ^ self._mounts) & folders

    def may_be_mounted_again(self, path: str) -> bool:
        """Return whether a file that's gone may only be out of reach."""
        return self._guard.holding(path) is not None

    def check(self, plan: SyncPlan) -> None:
        """Raise Conflict where half of the files or more are gone, or the source's own disk."""
        is_emptied = bool(plan.held) and not self._present
        if plan.is_in_doubt or is_emptied or self._base in plan.held:
            gone = plan.counts()[SyncAction.DELETE] + sum(map(len, plan.held.values()))
            raise Conflict(
                f"{gone:,} of the {plan.before:,} files ingested from {self._source.name} "
                "are missing. Nothing was changed. Check that its disk is mounted; to "
                "delete these pictures, sync with `force` (`--force`)."
            )

    def note(self, plan: SyncPlan) -> None:
        """Store the mount points; for folders that are held back, the former ones."""
        if self._mounts is not None:
            mounts = self._mounts ^ (self._remounted & plan.held.keys())
            self._origins.note_mounts(self._source.name, {text_of(path) for path in mounts})

    def held_back(self, plan: SyncPlan) -> list[HeldFolder]:
        """Return the folders whose pictures are missing or unreachable but are not deleted."""
        is_local = self._source.is_local
        found = [
            HeldFolder(
                folder=self._shown(folder),
                files=len(claims),
                reason=why_held(folder, is_local, folder in self._remounted),
            )
            for folder, claims in plan.held.items()
        ]
        for path, why in self._unreadable.items():
            if files := sum(one.startswith(f"{path}/") for one in self._known):
                found.append(HeldFolder(folder=self._shown(path), files=files, reason=why))
        return sorted(found, key=lambda one: one.folder)

    def _shown(self, folder: str) -> str:
        """Return a folder as its source has it."""
        below, folder = _local(self._source.below), path_of(folder) or folder
        found = folder if below is None else f"{folder}/".removeprefix(below).rstrip("/")
        return readable(found or folder)


def _local(below: str | None) -> str | None:
    """Return how a source's paths begin, of this machine's as the file system has them."""
    return None if below is None else path_of(below) or below


def _folder_in(source: Source, given: str) -> str:
    """Return a folder of a source, which may be given by its path there."""
    folder = given.rstrip("/")
    below = _local(source.below)
    if "://" in folder or folder.startswith("/") or below is None:
        return path_of(folder) or folder
    return f"{below}{folder.removeprefix('./')}"
