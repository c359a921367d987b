"""Facts job: reads date, camera, size, place and colours of pictures; embeds nothing.

Places of pictures whose facts are known get their names without a look at the file, and colours
come from thumbnails.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from services.indexer.catalog.facts import Facts
from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Place
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import PUBLISHING
from services.indexer.publishing.collection import Collection
from services.indexer.storage.image_files import ImageFiles
from shared.contracts.curation import FactsRequest
from shared.contracts.facts import COLORS_KEY
from shared.core.errors import BadImage, NotFound, Unavailable
from shared.media import images
from shared.media.colors import central, shares_of
from shared.media.facts import facts_of

FACTS = "reading facts of files"
_AT_ONCE = 500
_THUMBNAIL_PIXELS = 2048**2


class FactsJob:
    """Runs a reading of facts, from its request to its result."""

    def __init__(self, collection: Collection, files: ImageFiles) -> None:
        self._images: Images = collection.images
        self._publisher = collection.publisher
        self._facts = Facts(collection.images.database)
        self._files = files

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Read the files again whose facts are unknown, and publish what was found."""
        asked = FactsRequest.model_validate(request)
        total = self._facts.count_lacking(asked.again)
        job.expect([FACTS, PUBLISHING], total)
        job.stage(FACTS)
        job.count(total)
        failed, read = job.failed, 0
        for known in self._facts.lacking(asked.again):
            ids = list(known)
            for start in range(0, len(ids), _AT_ONCE):
                found = self._read(ids[start : start + _AT_ONCE], known, job)
                if found:
                    self._facts.put(found)
                read += len(found)
        renamed = 0
        for named in self._facts.misnamed():
            job.check_cancelled()
            self._facts.put(named)
            renamed += len(named)
        job.stage(PUBLISHING)
        manifest = self._publisher.publish_pending("facts of files", may_lag=True)
        return {
            "read": read,
            "named": renamed,
            "failed": job.failed - failed,
            "snapshot": manifest.number,
        }

    def _read(
        self, ids: Sequence[str], known: Mapping[str, dict[str, Any] | None], job: JobContext
    ) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for image_id in ids:
            job.check_cancelled()
            try:
                places = self._images.places(image_id)
                facts = known[image_id]
                if facts is None:
                    data = self._files.head(image_id, places)
                    facts = facts_of(data, self._sidecar(image_id, places))
                colors = self._colors(image_id, places)
            except NotFound as error:
                job.fail(image_id, error.detail)
                continue
            except Unavailable as error:
                job.fail(image_id, error.detail)
                continue
            found[image_id] = {**facts, COLORS_KEY: colors}
            job.advance()
        return found

    def _colors(self, image_id: str, places: list[Place]) -> dict[str, float]:
        """Return the shares of a picture's colours; none of one that can't be decoded."""
        try:
            thumbnail = images.read(self._files.thumbnail(image_id, places), _THUMBNAIL_PIXELS)
        except BadImage:
            return {}
        return shares_of(central(np.asarray(thumbnail.image.convert("RGB"))))

    def _sidecar(self, image_id: str, places: Sequence[Place]) -> bytes | None:
        beside = (self._files.sidecar(image_id, one) for one in places if one.has_file)
        return next((data for data in beside if data is not None), None)
