"""Files of an ingest whose pictures can't be read: known ones aren't read again, new ones noted."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from services.indexer.catalog.database import Database
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.unusable_files import UnusableFile, UnusableFiles
from services.indexer.embedding.client import ModelPair
from services.indexer.ingest.file_reader import FileRead
from services.indexer.ingest.settings import IngestSettings
from shared.objects.file import Stamp


class BrokenFiles:
    """Reads and notes files that the present decoders can't read within the present limits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: list[UnusableFile] = []
        self.table = UnusableFiles(database, "")

    def begin(self, decoding: str, pair: ModelPair, settings: IngestSettings) -> None:
        """Set what reads files from now on. decoding: "": unknown, so that nothing is noted."""
        limits = settings.max_image_bytes, settings.max_video_bytes
        reader = "\n".join([decoding, *sorted(pair.all), *map(str, limits)])
        digest = sha256(reader.encode()).hexdigest()
        self.table = UnusableFiles(self._database, digest if decoding else "")

    def told(self, reads: Sequence[FileRead], digests: Iterable[str]) -> list[FileRead]:
        """Return files as ones that can't be used, where others with their bytes could not."""
        known = self.table.by_content(sorted(set(digests)))
        return [
            replace(read, data=None, error=known[read.digest], is_new=True)
            if read.data is not None and read.digest in known
            else read
            for read in reads
        ]

    def add(self, path: str, stamp: Stamp | None, digest: str, reason: str) -> None:
        """Note a file, recorded by the next flush."""
        self._found.append(UnusableFile(path, stamp, digest, reason))

    def add_entry(self, entry: Entry, reason: str) -> None:
        """Note the file of an entry."""
        place = entry.place
        stamp = Stamp(place.mtime_ns, place.bytes, place.inode, place.ctime_ns)
        self.add(place.path, stamp, entry.sha256, reason)

    def flush(self) -> None:
        """Record what was noted."""
        found, self._found = self._found, []
        self.table.put(found)
