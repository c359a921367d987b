"""Facts job: reads date, camera, size and place of pictures that are there; embeds nothing.

Places of pictures whose facts are known get their names without a look at the file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.indexer.catalog.facts import Facts
from services.indexer.catalog.images import Images
from services.indexer.catalog.locations import Place
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import PUBLISHING
from services.indexer.publishing.collection import Collection
from services.indexer.storage.image_files import ImageFiles
from shared.contracts.curation import FactsRequest
from shared.core.errors import NotFound, Unavailable
from shared.media.facts import facts_of

FACTS = "reading facts of files"
_AT_ONCE = 500


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
        for ids in self._facts.lacking(asked.again):
            for start in range(0, len(ids), _AT_ONCE):
                found = self._read(ids[start : start + _AT_ONCE], job)
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

    def _read(self, ids: Sequence[str], job: JobContext) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for image_id in ids:
            job.check_cancelled()
            try:
                places = self._images.places(image_id)
                data, _ = self._files.read(image_id, places)
                sidecar = self._sidecar(image_id, places)
            except NotFound as error:
                job.fail(image_id, error.detail)
                continue
            except Unavailable as error:
                job.fail(image_id, error.detail)
                continue
            found[image_id] = facts_of(data, sidecar)
            job.advance()
        return found

    def _sidecar(self, image_id: str, places: Sequence[Place]) -> bytes | None:
        beside = (self._files.sidecar(image_id, one) for one in places if one.has_file)
        return next((data for data in beside if data is not None), None)
