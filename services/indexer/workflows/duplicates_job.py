"""Duplicates job: a second look at pictures that may be the same one."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from services.indexer.catalog.picture_pairs import PairRow, PairTable
from services.indexer.comparing.hashes import VERSION, HashIndex, hash_of
from services.indexer.comparing.judge import packaged
from services.indexer.comparing.neighbours import Neighbours
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import COMPARING_PICTURES, LOOKING
from services.indexer.publishing.collection import Collection
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.storage.image_files import ImageFiles
from shared.core import failpoints
from shared.core.errors import BadImage, NotFound, Unavailable
from shared.media.several import SINGLE, has_several
from shared.media.video_head import VIDEOS

if TYPE_CHECKING:
    from services.indexer.comparing.look import Look

_AT_ONCE = 64
"""Pictures that are recorded together; a killed job looks at no more than these again."""
_LOOKS = 400
"""Looks in memory, 100 KiB each."""
_READERS = 2
_REMEMBERED = 500_000
"""Pairs that aren't compared twice in one job."""


@dataclass(frozen=True)
class _Seen:
    """A look, and the hash of the thumbnail that it was made of."""

    look: "Look"
    digest: bytes


class DuplicatesJob:
    """Compares pictures that were not compared yet, and records what it finds of each pair."""

    def __init__(self, collection: Collection, index: IndexFiles, files: ImageFiles) -> None:
        self._images = collection.images
        self._current = collection.current
        self._index = index
        self._files = files
        self._pairs = PairTable(collection.images.database)
        self._looks: OrderedDict[int, _Seen | None] = OrderedDict()
        self._several: dict[int, bool] = {}

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """The job; run again, it resumes where it ended."""
        self._looks.clear()
        self._several.clear()
        failed = job.failed
        job.stage(LOOKING)
        lacking = self._pairs.count_lacking(VERSION)
        job.expect([LOOKING, COMPARING_PICTURES], lacking)
        job.count(lacking)
        with ThreadPoolExecutor(_READERS, "looking") as readers:
            for some in self._pairs.lacking(VERSION):
                for start in range(0, len(some), _AT_ONCE):
                    self._look(some[start : start + _AT_ONCE], job, readers)
        job.stage(COMPARING_PICTURES)
        compared, found = self._compare(job)
        self._looks.clear()
        return {
            "looked_at": lacking,
            "compared": compared,
            "pairs": found,
            "failed": job.failed - failed,
        }

    def _look(
        self, some: Sequence[tuple[int, str]], job: JobContext, readers: ThreadPoolExecutor
    ) -> None:
        job.check_cancelled()
        found: dict[int, bytes] = {}
        for (ordinal, image_id), seen in zip(
            some, readers.map(lambda one: self._see(one[1]), some), strict=True
        ):
            if isinstance(seen, _Seen):
                found[ordinal] = hash_of(seen.look).tobytes()
                self._keep(ordinal, seen)
                job.advance()
                continue
            job.fail(image_id, seen.detail)
            if not isinstance(seen, Unavailable):
                # Else its source may answer the next time.
                found[ordinal] = b""
        self._pairs.put_hashes(found, VERSION)
        failpoints.reach("duplicates.looked")

    def _compare(self, job: JobContext) -> tuple[int, int]:
        """Compare what waits; return the number of pictures, and of pairs worth keeping."""
        waiting = self._pairs.waiting(VERSION)
        with self._current.holding() as current:
            if not waiting or current.visual is None:
                return self._compare_some(waiting, None, job)
            index = self._index.spaces.index(current.visual)
            near = Neighbours(index, self._index.tombstones.read())
            return self._compare_some(waiting, near, job)

    def _compare_some(
        self, waiting: Sequence[int], near: Neighbours | None, job: JobContext
    ) -> tuple[int, int]:
        ordinals, hashes = self._pairs.hashes(VERSION)
        there, by_hash = set(ordinals.tolist()), HashIndex(hashes)
        done: set[tuple[int, int]] = set()
        kept = 0
        for start in range(0, len(waiting), _AT_ONCE):
            job.report_progress(start, len(waiting))
            some = waiting[start : start + _AT_ONCE]
            wanted = {one: set(near.of(one) if near is not None else ()) for one in some}
            for query, row in by_hash.find(hashes[np.searchsorted(ordinals, some)]):
                wanted[some[query]].add(int(ordinals[row]))
            counts, pairs, unsure = dict.fromkeys(some, 0), [], set[int]()
            for one, others in wanted.items():
                for other in sorted((others & there) - {one}):
                    pair = min(one, other), max(one, other)
                    if pair in done:
                        continue
                    done.add(pair)
                    if (found := self._pair(*pair)) is not None:
                        counts[one] += 1
                        try:
                            pairs += [self._of_stills(found)] if self._is_likely(found) else []
                        except (NotFound, Unavailable):
                            # Its source may answer the next time: it waits to be compared then.
                            unsure.add(one)
            self._pairs.put({one: n for one, n in counts.items() if one not in unsure}, pairs)
            kept += len(pairs)
            if len(done) > _REMEMBERED:
                # To compare some twice costs time alone.
                done.clear()
            failpoints.reach("duplicates.compared")
        return len(waiting), kept

    @staticmethod
    def _is_likely(pair: PairRow) -> bool:
        judge = packaged()
        return pair.exact or bool(judge.scores(np.array([pair.numbers[:-2]]))[0] >= judge.floor)

    def _of_stills(self, pair: PairRow) -> PairRow:
        """Return the pair; a picture of which only the first frame or page was compared, and which
        shows more, is covered by none."""
        *numbers, covers_first, covers_second = pair.numbers
        covers = [
            0.0 if self._has_several(one) else covered
            for one, covered in ((pair.first, covers_first), (pair.second, covers_second))
        ]
        return replace(pair, numbers=[*numbers, *covers])

    def _has_several(self, ordinal: int) -> bool:
        """Raises NotFound and Unavailable where only its file could tell, which can't be read."""
        if (known := self._several.get(ordinal)) is not None:
            return known
        several = True
        for one in self._pairs.pictures([ordinal]).values():
            if one.file.get("format") in SINGLE:
                several = False
                continue
            if one.file.get("format") in VIDEOS:
                continue
            data, _ = self._files.read(one.id, self._images.places(one.id))
            several = has_several(data)
        if len(self._several) > _REMEMBERED:
            self._several.clear()
        self._several[ordinal] = several
        return several

    def _pair(self, first: int, second: int) -> PairRow | None:
        one, two = self._known(first), self._known(second)
        if one is None or two is None:
            return None
        from services.indexer.comparing.evidence import compare

        found = compare(one.look, two.look)
        numbers = [*found.numbers().tolist(), found.covers_first, found.covers_second]
        return PairRow(first, second, one.digest == two.digest, [round(n, 4) for n in numbers])

    def _known(self, ordinal: int) -> _Seen | None:
        if ordinal in self._looks:
            self._looks.move_to_end(ordinal)
            return self._looks[ordinal]
        seen = None
        for image_id in self._images.ids([ordinal]):
            found = self._see(image_id)
            seen = found if isinstance(found, _Seen) else None
        self._keep(ordinal, seen)
        return seen

    def _see(self, image_id: str) -> _Seen | BadImage | NotFound | Unavailable:
        # OpenCV is loaded by the first job that needs it.
        from services.indexer.comparing.look import look_at

        try:
            thumbnail = self._files.thumbnail(image_id, self._images.places(image_id))
            return _Seen(look_at(thumbnail), sha256(thumbnail).digest())
        except (BadImage, NotFound, Unavailable) as error:
            return error

    def _keep(self, ordinal: int, seen: _Seen | None) -> None:
        self._looks[ordinal] = seen
        if len(self._looks) > _LOOKS:
            self._looks.popitem(last=False)
