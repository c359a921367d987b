"""`snapshots/<number>/manifest.json`: what a snapshot is made of, and the hash of every file."""

import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path

from pydantic import Field, ValidationError

from shared import durable, sums
from shared.contracts.base import Wire
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.errors import Corrupt, NotFound

FORMAT = 1
CURRENT = "CURRENT"
_MANIFEST = "manifest.json"


class SegmentFile(Wire):
    """A file of `segments/`."""

    name: str
    sha256: str
    bytes: int
    rows: int
    spread: float | None = Field(
        None, description="Mean L2 distance of the vectors to the centroid of their list."
    )


class Built(Wire):
    """What a space was like when its centroids were made: what it is later is told beside it."""

    rows: int
    spread: float | None
    imbalance: float


class TransformManifest(Wire):
    """What was done to features before they were stored; see `transform.py`.

    `features_dim`: their length before. `file`: what was learned of the collection, if anything.
    """

    name: str
    features_dim: int
    file: SegmentFile | None = None


class SpaceManifest(Wire):
    """One inverted index: its first postings file has the centroids, later ones are additions.

    `dim`: of the stored vectors. `transform`: None where they are the features as they are.
    """

    fingerprint: str
    dim: int
    transform: TransformManifest | None = None
    metric: Metric = Field(description="The metric that clusters were made for.")
    clusters: int
    seed: int
    postings: list[SegmentFile]
    recall: list[RecallCurve] = Field(default_factory=list)
    built: Built | None = None
    calibration: list[Calibration] = Field(default_factory=list)

    @property
    def features_dim(self) -> int:
        """The length of the features that the vectors were made from."""
        return self.dim if self.transform is None else self.transform.features_dim

    def files(self) -> list[SegmentFile]:
        """The files of `segments/` that it is made of."""
        learned = self.transform.file if self.transform is not None else None
        return [*self.postings, *([] if learned is None else [learned])]


class Manifest(Wire):
    """A snapshot. `revision`: up to which change of the catalogue it goes."""

    format: int = FORMAT
    number: int
    created_at: str
    reason: str
    revision: int
    images: int
    items: list[SegmentFile] = Field(default_factory=list)
    visual: SpaceManifest | None = None
    joint: SpaceManifest | None = None
    matching_fingerprint: str | None = Field(
        None, description="Of the features that the joint vectors were made from."
    )
    tag_vectors: list[SegmentFile] = Field(default_factory=list)
    canaries: dict[str, list[float]] = Field(
        default_factory=dict,
        description="What the models made of the built-in picture, by fingerprint.",
    )

    def files(self) -> list[SegmentFile]:
        """Every file of `segments/` that this snapshot is made of."""
        spaces = [space.files() for space in (self.visual, self.joint) if space]
        return [file for group in (self.items, *spaces, self.tag_vectors) for file in group]


class SnapshotStore:
    """The snapshots of a data directory. Only the indexer writes."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "snapshots"
        self.segments = data_dir / "segments"

    def current_number(self) -> int | None:
        """The number in `CURRENT`, or None before the first snapshot. Raises Corrupt."""
        try:
            text = (self.folder / CURRENT).read_text(errors="replace")
        except FileNotFoundError:
            return None
        number, *_ = text.removesuffix("\n").split(" ")
        # Older versions wrote the number alone.
        if not re.fullmatch(r"\d{6,}", number) or text not in (f"{number}\n", _pointer(number)):
            raise Corrupt(f"{self.folder / CURRENT} doesn't hold a snapshot's number.")
        return int(number)

    def use(self, number: int) -> None:
        """Makes a snapshot that is there the current one."""
        durable.write_text(self.folder / CURRENT, _pointer(f"{number:06d}"), "current")

    def current(self) -> Manifest | None:
        """The manifest that `CURRENT` points to."""
        number = self.current_number()
        return None if number is None else self.read(number)

    def numbers(self) -> list[int]:
        """The snapshots that are there, oldest first."""
        if not self.folder.exists():
            return []
        found = [p.parent.name for p in self.folder.glob(f"*/{_MANIFEST}")]
        return sorted(int(name) for name in found if name.isdigit())

    def read(self, number: int) -> Manifest:
        """Raises NotFound, or Corrupt where it can't be read."""
        path = self.path(number)
        try:
            data = path.read_bytes()
            sums.check(path, hashlib.sha256(data).hexdigest())
            manifest = Manifest.model_validate_json(data)
        except FileNotFoundError:
            raise NotFound(f"There is no snapshot {number}.") from None
        except ValidationError as error:
            raise Corrupt(f"{path} is damaged or of another version: {error}") from error
        if manifest.format != FORMAT:
            raise Corrupt(f"{path} has format {manifest.format}; this version reads {FORMAT}.")
        return manifest

    def readable(self) -> list[Manifest]:
        """The manifests that can be read, oldest first; a damaged one is left alone."""
        found = []
        for number in self.numbers():
            with suppress(NotFound, Corrupt):
                found.append(self.read(number))
        return found

    def publish(self, manifest: Manifest) -> None:
        """Makes a snapshot the current one. Its segment files must be durable already."""
        path = self.path(manifest.number)
        try:
            data = manifest.model_dump_json(indent=1).encode()
            sums.write(path, hashlib.sha256(data).hexdigest())
            durable.write_bytes(path, data, "manifest")
            self.use(manifest.number)
        except BaseException:
            if self.current_number() != manifest.number:
                self.remove(manifest.number)
            raise

    def remove(self, number: int) -> None:
        """Removes a snapshot's folder; its segments may be those of others."""
        shutil.rmtree(self.path(number).parent, ignore_errors=True)

    def remove_unpublished(self) -> None:
        """Removes what a killed process left of snapshots that were never current, or are gone."""
        newest = self.current_number()
        for folder in (f for f in self.folder.glob("*") if f.name.isdigit()):
            if not (folder / _MANIFEST).exists() or (
                newest is not None and int(folder.name) > newest
            ):
                shutil.rmtree(folder)

    def path(self, number: int) -> Path:
        return self.folder / f"{number:06d}" / _MANIFEST

    def verified(self, file: SegmentFile) -> Path:
        """The path of a segment file, after its size and hash were checked. Raises Corrupt."""
        path = self.segments / file.name
        try:
            size = path.stat().st_size
            intact = size == file.bytes and durable.sha256_of(path) == file.sha256
        except FileNotFoundError:
            raise Corrupt(f"{path} is missing.") from None
        if not intact:
            raise Corrupt(f"{path} is damaged: it isn't what its snapshot's manifest says.")
        return path


def _pointer(number: str) -> str:
    """What `CURRENT` holds: a flipped digit must not name another snapshot."""
    return f"{number} {hashlib.sha256(number.encode()).hexdigest()[:16]}\n"
