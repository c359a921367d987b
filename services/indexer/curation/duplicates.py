"""Plans of duplicates to delete: made anew from what was compared, shown, carried out, undone."""

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.indexer.catalog.merging import merge
from services.indexer.catalog.picture_pairs import PairRow, PairTable, PictureRow
from services.indexer.comparing import hashes
from services.indexer.comparing.budget import CONFIDENCE, Choice, Deletion, Edge, rank
from services.indexer.comparing.judge import packaged
from services.indexer.curation.trash_bin import TrashBin
from services.indexer.publishing.collection import Collection
from shared.contracts.duplicates import (
    DeleteDuplicates,
    DuplicatePlan,
    DuplicatesDeleted,
    Keep,
    Likeness,
    PlannedCopy,
    PlannedGroup,
    PlannedPicture,
    PlanQuery,
)
from shared.core.errors import Conflict, InvalidInput
from shared.media.video_head import VIDEOS

_CURSOR = re.compile(r"([0-9a-f]{16})-(\d{1,9})")
_SCENE_INLIERS = 15
"""Local features that agree, of two pictures of one scene."""
_CHANGED = "The collection changed since this plan was made. Request it again."


@dataclass(frozen=True)
class _Made:
    """A plan with what it was made of."""

    name: str
    choice: Choice
    scenes: list[tuple[PairRow, float]]
    pictures: dict[int, PictureRow]
    counts: tuple[int, int, int]

    @property
    def goes(self) -> Sequence[Deletion]:
        return self.choice.deletions[: self.choice.within]


class DuplicatePlans:
    """Makes plans and carries them out. Nothing of a plan is kept: its name tells it again."""

    def __init__(self, collection: Collection, bin_: TrashBin) -> None:
        self._database = collection.images.database
        self._publisher = collection.publisher
        self._images = collection.images
        self._pairs = PairTable(self._database)
        self._bin = bin_

    def page(self, query: PlanQuery) -> DuplicatePlan:
        """Return a page of a plan. Raises InvalidInput, and Conflict if it has changed."""
        made = self._made(query.budget, query.keep)
        start = 0
        if query.cursor is not None:
            parts = _CURSOR.fullmatch(query.cursor)
            if parts is None:
                raise InvalidInput("`cursor` is not the `next` of an answer; omit it.")
            if parts[1] != made.name:
                raise Conflict(_CHANGED)
            start = int(parts[2])
        groups = _groups(made)
        page = groups[start : start + query.limit]
        goes, choice = made.goes, made.choice
        end = start + len(page)
        pictures, pairs, waiting = made.counts
        return DuplicatePlan(
            plan=made.name,
            budget=query.budget,
            keep=query.keep,
            delete=len(goes),
            expected_wrong=round(choice.expected, 3),
            at_most_wrong=choice.most,
            confidence=CONFIDENCE,
            sentence=_sentence(len(goes), choice.most, len(choice.deletions)),
            exact=sum(one.exact for one in goes),
            same=sum(not one.exact for one in goes),
            over_budget=len(choice.deletions) - len(goes),
            scenes=len(made.scenes),
            pictures=pictures,
            pairs=pairs,
            waiting=waiting,
            groups=[self._shown(kept, others, made) for kept, others in page],
            total=len(groups),
            next=f"{made.name}-{end}" if end < len(groups) else None,
        )

    def delete(self, request: DeleteDuplicates) -> DuplicatesDeleted:
        """Move a plan's pictures to the trash, and give their tags and metadata to the kept ones.

        Raises Conflict if the plan is another one by now.
        """
        made = self._made(request.budget, request.keep)
        if made.name != request.plan:
            raise Conflict(_CHANGED)
        stay = set(request.but)
        goes = [one for one in made.goes if made.pictures[one.gone].id not in stay]
        undo = uuid.uuid4().hex
        ids = {n: row.id for n, row in made.pictures.items()}
        kept = {ids[one.gone]: ids[one.kept] for one in goes}
        merged = merge(self._database, [(ids[one.kept], ids[one.gone]) for one in goes], undo)
        # Somebody may have deleted a kept picture since the plan was made.
        done = self._bin.delete(list(kept), undo, instead=kept)
        if merged:
            self._publisher.publish_retag()
        return DuplicatesDeleted(
            deleted=done.deleted, merged=merged, undo=undo if merged or done.undo else None
        )

    def _made(self, budget: float, keep: Keep) -> _Made:
        rows = self._pairs.pairs(hashes.VERSION)
        counts = self._pairs.counts(hashes.VERSION)
        pictures = self._pairs.pictures(sorted({n for r in rows for n in (r.first, r.second)}))
        # A still beside a video, as of a live photo, is another thing.
        stills = {n for n, row in pictures.items() if row.file.get("format") not in VIDEOS}
        rows = [row for row in rows if row.first in stills and row.second in stills]
        judge = packaged()
        numbers = np.array([row.numbers[:-2] for row in rows], np.float64)
        scores = judge.scores(numbers) if rows else np.empty(0)
        edges = [
            Edge(r.first, r.second, score, r.numbers[-2], r.numbers[-1], _is_exact(r, pictures))
            for r, score in zip(rows, scores.tolist(), strict=True)
        ]
        tagged = self._pairs.tags(sorted(pictures)) if keep is Keep.FACTS else {}
        order = {n: _worth(row, keep, tagged.get(n, 0)) for n, row in pictures.items()}
        choice = rank(edges, counts[1], counts[0], order, judge).within(budget)
        chances = judge.probabilities(scores, counts[1] - len(rows))
        planned = {frozenset((one.gone, one.kept)) for one in choice.deletions}
        scenes = [
            (row, chance)
            for row, edge, chance in zip(rows, edges, chances.tolist(), strict=True)
            if chance < 0.5
            and not edge.exact
            and np.expm1(row.numbers[0]) >= _SCENE_INLIERS
            and frozenset((row.first, row.second)) not in planned
        ]
        told = "\n".join(
            [f"{budget} {keep}", *(f"{one.gone} {one.kept}" for one in choice.deletions)]
        )
        name = hashlib.sha256(f"{told}\n{choice.within}".encode()).hexdigest()[:16]
        return _Made(name, choice, scenes, pictures, counts)

    def _shown(
        self, kept: int, others: Sequence[tuple[int, Likeness, float, bool]], made: _Made
    ) -> PlannedGroup:
        return PlannedGroup(
            kept=PlannedPicture.model_validate(self._facts(made.pictures[kept])),
            others=[
                PlannedCopy.model_validate(
                    self._facts(made.pictures[one])
                    | {"kind": kind, "probability": round(chance, 5), "goes": goes}
                )
                for one, kind, chance, goes in others
            ],
        )

    def _facts(self, row: PictureRow) -> dict[str, object]:
        places = self._images.places(row.id)
        return {
            "id": row.id,
            "uri": places[0].uri if places else "",
            "width": row.file.get("width"),
            "height": row.file.get("height"),
            "bytes": row.bytes or None,
            "taken_at": row.file.get("taken_at"),
        }


def _groups(made: _Made) -> list[tuple[int, list[tuple[int, Likeness, float, bool]]]]:
    """Kept pictures with those like them: first what is deleted, then what isn't, then scenes."""
    deleted: dict[int, list[tuple[int, Likeness, float, bool]]] = {}
    for number, one in enumerate(made.choice.deletions):
        kind = Likeness.EXACT if one.exact else Likeness.SAME
        goes = number < made.choice.within
        deleted.setdefault(one.kept, []).append((one.gone, kind, one.probability, goes))
    scenes: dict[int, list[tuple[int, Likeness, float, bool]]] = {}
    for row, chance in made.scenes:
        scenes.setdefault(row.first, []).append((row.second, Likeness.SCENE, chance, False))
    return [*deleted.items(), *scenes.items()]


def _is_exact(row: PairRow, pictures: Mapping[int, PictureRow]) -> bool:
    """Thumbnails of the same bytes are of the same pixels, if the sizes are the same, too."""
    one, two = pictures[row.first].file, pictures[row.second].file
    size = one.get("width"), one.get("height")
    return row.exact and None not in size and size == (two.get("width"), two.get("height"))


def _worth(row: PictureRow, keep: Keep, tags: int) -> tuple[float, ...]:
    """Return the worth of a picture; of two, the one of greater worth is kept."""
    size = float((row.file.get("width") or 0) * (row.file.get("height") or 0)), float(row.bytes)
    known = (row.file.get(name) is not None for name in ("taken_at", "latitude"))
    facts = float(sum(known) + min(tags, 1) + bool(row.metadata))
    return (facts, *size) if keep is Keep.FACTS else (*size, facts)


def _sentence(count: int, most: int, likely: int) -> str:
    if not count:
        if likely:
            return f"None of {likely:,} likely duplicates is sure enough for this budget."
        return "There are no duplicates to delete."
    wrong = f"at most {most:,} wrong" if most else "none wrong"
    return f"Delete {count:,}, expect {wrong}."
