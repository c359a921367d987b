"""Second files of pictures: a RAW and its JPEG are one picture.

The JPEG is embedded and shown, and the RAW joins it; where the RAW is known already, the JPEG joins
the RAW's image, so that tags and the id stay.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from services.indexer.catalog.entry import Entry
from services.indexer.catalog.images import Images
from services.indexer.catalog.known_file import KnownFile
from services.indexer.embedding.client import ModelPair
from services.indexer.ingest.pipeline import IngestSettings, Record, place_of
from services.indexer.ingest.result import IngestResult
from services.indexer.jobs.context import JobContext
from services.indexer.sources.source_file import SourceFile, Unusable, attempt, stamp_of
from shared.media.identity import id_of_sha256
from shared.media.names import is_raw
from shared.objects.file import Stamp

_AT_ONCE = 256
Place = tuple[str, str]


@dataclass(frozen=True)
class Second:
    """A file, and the path and uri of the picture that it joins."""

    file: SourceFile
    first: Place


class SecondFiles:
    """Divides the files of a job, and joins the second ones to their pictures."""

    def __init__(
        self,
        images: Images,
        pair: ModelPair,
        settings: IngestSettings,
        job: JobContext,
        source: str,
        record: Record,
    ) -> None:
        self._images = images
        self._pair = pair
        self._settings = settings
        self._job = job
        self._source = source
        self._record = record

    def divided(self, files: Sequence[SourceFile]) -> tuple[list[SourceFile], list[Second]]:
        """Return the files to ingest each by itself, and those that join another one's picture."""
        places = [
            _place(one)
            for file in files
            if file.partner is not None
            for one in (file, file.partner)
        ]
        if not places:
            return list(files), []
        held = self._held(places)
        given = set(map(_place, files))
        alone: list[SourceFile] = []
        seconds: list[Second] = []
        for file in files:
            if file.partner is None:
                alone.append(file)
                continue
            partner = _place(file.partner)
            knows_own, knows_partner = _place(file) in held, partner in held
            # The RAW joins, except where it alone is known.
            joins = knows_partner or not knows_own
            if not is_raw(file.uri):
                joins = knows_partner and not knows_own
            if joins:
                seconds.append(Second(file, partner))
                continue
            alone.append(file)
            if not is_raw(file.uri) and knows_partner and partner not in given:
                # A JPEG that is another one now takes its RAW along.
                seconds.append(Second(file.partner, _place(file)))
        return alone, seconds

    def join(
        self,
        seconds: Sequence[Second],
        result: IngestResult,
        ingest: Callable[[Sequence[SourceFile]], IngestResult],
    ) -> IngestResult:
        """Record second files; those whose first could not be ingested are ingested themselves."""
        left: list[SourceFile] = []
        for batch in _some(seconds):
            self._job.check_cancelled()
            places = [place for one in batch for place in (one.first, _place(one.file))]
            held = self._held(places)
            entries: list[Entry] = []
            firsts = [(one, held[one.first]) for one in batch if one.first in held]
            left += [one.file for one in batch if one.first not in held]
            self._job.count(len(firsts))
            for one, first in firsts:
                try:
                    entry = self._entry(one.file, first, held.get(_place(one.file)))
                except Unusable as unusable:
                    self._job.fail(one.file.shown, unusable.reason)
                    result.failed += 1
                    continue
                result.already_there += 1
                if entry is not None:
                    entries.append(entry)
                self._job.advance(skipped=True)
            if entries:
                self._record(entries, {})
        result.files += len(seconds) - len(left)
        if not left:
            return result
        more = ingest(left)
        return IngestResult(
            result.files + more.files,
            result.embedded + more.embedded,
            result.already_there + more.already_there,
            result.failed + more.failed,
            result.replaced + more.replaced,
            result.file_notes + more.file_notes,
        )

    def _entry(self, file: SourceFile, first: KnownFile, own: KnownFile | None) -> Entry | None:
        """Return what is recorded of a second file, or None if it is known. Raises Unusable."""
        stamp = stamp_of(file)
        if (
            stamp is not None
            and own is not None
            and own.image_id == first.image_id
            and own.is_still(
                stamp.mtime_ns,
                stamp.bytes,
                None if file.file.is_local else stamp.inode,
                stamp.ctime_ns,
            )
        ):
            return None
        most = self._settings.max_image_bytes
        if stamp is not None and stamp.bytes > most:
            raise Unusable(
                f"The file is over the limit of {most / 2**20:g} MiB (ISE_MAX_IMAGE_BYTES)."
            )
        digest = attempt(lambda: file.file.sha256(most))
        # The same bytes elsewhere are that image.
        own_id = id_of_sha256(digest)
        known = own_id in self._images.known([own_id], self._pair.all)
        image_id = own_id if known and not is_raw(file.uri) else first.image_id
        place = replace(place_of(file, stamp or Stamp(0, 0)), sha256=digest)
        return Entry(image_id, digest, place, file.tags, file.metadata, self._source)

    def _held(self, places: Sequence[Place]) -> dict[Place, KnownFile]:
        return self._images.held(places, self._pair.all)


def _place(file: SourceFile) -> Place:
    return file.path, file.uri


def _some(seconds: Sequence[Second]) -> Iterator[Sequence[Second]]:
    for start in range(0, len(seconds), _AT_ONCE):
        yield seconds[start : start + _AT_ONCE]
