"""Plan of a sync: the steps that bring the collection in line with a source. Changes nothing
itself.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.indexer.catalog.locations import Place, SourceEntry
from services.indexer.sources.source import SourceFile
from services.indexer.sync.folder_guard import FolderGuard
from shared.contracts.sync import SyncAction


@dataclass(frozen=True, slots=True)
class FileNow:
    """A file of the source as it is now; `image_id`: the known image that it holds, if any."""

    file: SourceFile
    place: Place
    image_id: str | None

    def claim(self, source: str, image_id: str) -> SourceEntry:
        return SourceEntry(source, image_id, self.place, tuple(self.file.tags), self.file.metadata)


class Step(NamedTuple):
    """Step about one file. `was`: its uri before, where it moved."""

    action: SyncAction
    uri: str
    was: str | None
    tags: Sequence[str]


@dataclass
class SyncPlan:
    """Steps of a sync in readable form, and their effects.

    `embed`: files whose bytes are not in the catalogue. `put`: files with known images; `swapped`
    if their paths contained other ones. `gone`: paths without a file. `unnamed`: paths and uris
    that a manifest no longer names, or rules exclude, of which `left_out` are excluded. `before`:
    former number of files. `held`: missing files that stay, by folder. `unasked`: number of
    deletions without a user's consent. `overruled`: number of deletions due to `force`.
    """

    before: int = 0
    unasked: int = 0
    overruled: int = 0
    steps: list[Step] = field(default_factory=list)
    embed: list[SourceFile] = field(default_factory=list)
    put: list[SourceEntry] = field(default_factory=list)
    swapped: list[SourceEntry] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unnamed: list[tuple[str, str]] = field(default_factory=list)
    left_out: int = 0
    held: dict[str, list[SourceEntry]] = field(default_factory=dict)

    @property
    def is_in_doubt(self) -> bool:
        """Return whether so much would be deleted that a disk may not be mounted.

        That is half of the files or more, but one of two files may always be deleted.
        """
        half = self.unasked * 2
        return half > self.before or (half == self.before and self.unasked > 1)

    @property
    def needs_force(self) -> bool:
        """Return whether all of it is done only with `force`."""
        return self.is_in_doubt or bool(self.held or self.overruled)

    def counts(self) -> dict[SyncAction, int]:
        found = Counter(step.action for step in self.steps)
        return {action: found[action] for action in SyncAction}


class Planner:
    """Compares the catalogue's state of a source with the present one."""

    def __init__(
        self,
        source: str,
        claims: Sequence[SourceEntry],
        is_gone: Callable[[str], bool],
        is_manifest: bool,
        guard: FolderGuard,
        leaves_out: Callable[[str], bool] = lambda _: False,
        force: bool = False,
    ) -> None:
        """`claims`: those of the source, and of others within its folder.

        `is_manifest`: files that it doesn't name no longer belong to it. `guard`: holds deletions
        back, unless `force` is set. `leaves_out`: tells whether a rule excludes a path.
        """
        self._source = source
        self._claims = claims
        self._is_gone = is_gone
        self._is_manifest = is_manifest
        self._guard = guard
        self._leaves_out = leaves_out
        self._force = force
        self._own = {one.key: one for one in claims if one.source == source}
        self._at = {one.place.path: one for one in claims}
        self._lost: dict[str, list[SourceEntry]] = defaultdict(list)

    def plan(self, files: Sequence[FileNow], unsure: Collection[tuple[str, str]]) -> SyncPlan:
        """Plan the sync. `unsure`: paths and uris of unreadable files, which stay as they are."""
        plan = SyncPlan(before=len(self._at))
        named = {(now.place.path, now.place.uri) for now in files} | set(unsure)
        self._find_lost(plan, named)
        for now in files:
            step = self._step(plan, now)
            plan.steps += [step] if step else []
        self._delete(plan)
        plan.steps.sort(key=lambda step: step.uri)
        return plan

    def _find_lost(self, plan: SyncPlan, named: set[tuple[str, str]]) -> None:
        """A manifest's file is lost when it's no longer named, a folder's only when it's gone."""
        paths = {path for path, _ in named}
        gone: set[str] = set()
        # The source's own claims first, so that a missing path is reported once, by its uri.
        for one in sorted(self._claims, key=lambda claim: claim.source != self._source):
            path, own = one.place.path, one.source == self._source
            if (own and one.key in named) or path in gone:
                continue
            if path not in paths and self._is_gone(path):
                gone.add(path)
                plan.gone.append(path)
            elif own and (path in paths or self._is_manifest):
                plan.unnamed.append(one.key)
            elif own and self._leaves_out(path):
                plan.unnamed.append(one.key)
                plan.left_out += 1
            else:
                continue
            self._lost[one.image_id].append(one)

    def _delete(self, plan: SyncPlan) -> None:
        """Delete files that are missing and were not found elsewhere, except those held back by the
        guard.
        """
        gone, held = set(plan.gone), set()
        for one in (claim for claims in self._lost.values() for claim in claims):
            path = one.place.path
            folder = self._guard.holding(path) if path in gone else None
            if folder is not None and not self._force:
                plan.held.setdefault(folder, []).append(one)
                held.add(path)
                continue
            plan.steps.append(Step(SyncAction.DELETE, one.place.uri, None, one.tags))
            # Files that a user's rules exclude need no further consent.
            plan.unasked += not (self._guard.is_consented(path) or self._leaves_out(path))
            plan.overruled += folder is not None
        plan.gone = [path for path in plan.gone if path not in held]

    def _step(self, plan: SyncPlan, now: FileNow) -> Step | None:
        """Add a file to the plan; return its step, or None if nothing changes."""
        uri, tags, image_id = now.place.uri, now.file.tags, now.image_id
        former = self._at.get(now.place.path)
        own = self._own.get((now.place.path, uri))
        if image_id is None:
            plan.embed.append(now.file)
            action = SyncAction.CHANGE if former else SyncAction.ADD
            return Step(action, uri, None, tags)
        claim = now.claim(self._source, image_id)
        if former is not None and former.image_id != image_id:
            plan.swapped.append(claim)
            return Step(SyncAction.CHANGE, uri, None, tags)
        if own is not None:
            if not _says_the_same(own, claim):
                plan.put.append(claim)
                return Step(SyncAction.RETAG, uri, None, tags)
            if own.place != claim.place:
                plan.put.append(claim)
            return None
        plan.put.append(claim)
        if not self._lost.get(image_id):
            return Step(SyncAction.COPY, uri, None, tags)
        was = self._lost[image_id].pop()
        action = SyncAction.MOVE if _says_the_same(was, claim) else SyncAction.RETAG
        return Step(action, uri, was.place.uri, tags)


def _says_the_same(one: SourceEntry, other: SourceEntry) -> bool:
    return set(one.tags) == set(other.tags) and one.metadata == other.metadata
