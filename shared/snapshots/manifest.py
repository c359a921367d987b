"""`snapshots/<number>/manifest.json`: the parts of a snapshot, and the hash of every file."""

import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from shared.contracts.base import Wire
from shared.contracts.calibration import Calibration
from shared.contracts.counting import Counting
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.core.engine import Engine
from shared.core.errors import Corrupt, Misconfigured, NotFound
from shared.files import durable, sums

FORMAT = 1
"""Format of a manifest and its files. An additional optional field is not a new format."""
CURRENT = "CURRENT"
TAG_FORM = 1
"""The normal form of tags that filters of Milvus go by; see `shared/terms/normal_form.py`."""
_MANIFEST = "manifest.json"


class _Format(BaseModel):
    """Format number of a manifest, whatever else a newer one says."""

    format: int = FORMAT


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
    """Statistics of a space when its centroids were made, for comparison with later ones."""

    rows: int
    spread: float | None
    imbalance: float


class TransformManifest(Wire):
    """Feature transform of a space; see `transform.py`.

    `features_dim`: length before the transform. `file`: parameters learnt from the collection, if
    any.
    """

    name: str
    features_dim: int
    file: SegmentFile | None = None


class MilvusManifest(Wire):
    """Location of a space's vectors in Milvus."""

    collection: str
    index_type: str
    tag_form: int = Field(
        0, description="By which normal form of tags its filters go; 0: one of older versions."
    )

    @property
    def knows_tags(self) -> bool:
        """True if its filters find tags by today's normal form."""
        return self.tag_form == TAG_FORM

    @property
    def is_exact(self) -> bool:
        """True if a search of all lists is exact, because vectors are stored completely."""
        return self.index_type == "IVF_FLAT"


class SpaceManifest(Wire):
    """One inverted index: its first postings file has the centroids, later ones are additions.

    `milvus`: another engine holds the vectors; postings files then only list the images. `dim`:
    length of stored vectors. `transform`: None if features are stored unchanged.
    """

    fingerprint: str
    dim: int
    transform: TransformManifest | None = None
    metric: Metric = Field(description="The metric that clusters were made for.")
    clusters: int
    seed: int
    postings: list[SegmentFile]
    milvus: MilvusManifest | None = None
    recall: list[RecallCurve] = Field(default_factory=list)
    built: Built | None = None
    calibration: list[Calibration] = Field(default_factory=list)
    counting: Counting | None = Field(
        None, description="How to count the matches of a search; null: nothing taught it."
    )
    tag_spread: float | None = Field(
        None,
        description="How many times farther than chance the number of right carriers of a tag lies "
        "from the sum of their probabilities; null: not measured.",
    )
    revision: int | None = Field(
        None,
        description="Up to which change of the catalogue the space goes, where it lags behind its "
        "snapshot; null: as far as the snapshot.",
    )

    @property
    def engine(self) -> Engine:
        """The engine that holds the vectors."""
        return Engine.LOCAL if self.milvus is None else Engine.MILVUS

    @property
    def features_dim(self) -> int:
        """The length of the features that the vectors were made from."""
        return self.dim if self.transform is None else self.transform.features_dim

    def files(self) -> list[SegmentFile]:
        """The files of `segments/` that it is made of."""
        learned = self.transform.file if self.transform is not None else None
        return [*self.postings, *([] if learned is None else [learned])]


class LabelsManifest(Wire):
    """Labels of the images, by a classifier over named classes.

    `fingerprint`: the model whose features it takes. `digest`: identity of the classifier, which
    the file `head` holds. An image that no file has was not labelled yet.
    """

    fingerprint: str
    digest: str
    head: SegmentFile
    files: list[SegmentFile] = Field(default_factory=list)

    @property
    def rows(self) -> int:
        """The number of images that have labels."""
        return sum(file.rows for file in self.files)


class TextsManifest(Wire):
    """Texts that were read in the images. `revision`: the change of the catalogue they go up to."""

    revision: int
    files: list[SegmentFile] = Field(default_factory=list)


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
    tags_revision: int | None = Field(
        None,
        description="Up to which change of the catalogue tags have vectors, where they lag behind "
        "the snapshot; null: as far as the snapshot.",
    )
    labels: LabelsManifest | None = None
    texts: TextsManifest | None = None
    canaries: dict[str, list[float]] = Field(
        default_factory=dict,
        description="What the models made of the built-in picture, by fingerprint.",
    )

    @property
    def engine(self) -> Engine:
        """The engine that holds the snapshot's vectors."""
        return Engine.LOCAL if self.visual is None else self.visual.engine

    @property
    def lags(self) -> bool:
        """True if the joint space or the tags lack what the embedder could not say yet."""
        joint = self.joint is not None and self.joint.revision is not None
        return joint or self.tags_revision is not None

    @property
    def spaces(self) -> dict[str, SpaceManifest]:
        """The spaces that there are, by name."""
        named = {"visual": self.visual, "joint": self.joint}
        return {name: space for name, space in named.items() if space is not None}

    def files(self) -> list[SegmentFile]:
        """Every file of `segments/` that this snapshot is made of."""
        return [*self.vital_files(), *self.label_files(), *self.text_files()]

    def vital_files(self) -> list[SegmentFile]:
        """The files without which the snapshot can't be served."""
        spaces = [space.files() for space in self.spaces.values()]
        return [file for group in (self.items, *spaces, self.tag_vectors) for file in group]

    def label_files(self) -> list[SegmentFile]:
        """The files of its labels, which it can be served without."""
        return [self.labels.head, *self.labels.files] if self.labels else []

    def text_files(self) -> list[SegmentFile]:
        """The files of its texts, which it can be served without."""
        return list(self.texts.files) if self.texts else []


class SnapshotStore:
    """The snapshots of a data directory. Only the indexer writes."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "snapshots"
        self.segments = data_dir / "segments"

    def current_number(self) -> int | None:
        """Return the number in `CURRENT`, or None before the first snapshot. Raises Corrupt."""
        try:
            text = (self.folder / CURRENT).read_text(errors="replace")
        except FileNotFoundError:
            return None
        return number_in(text, self.folder / CURRENT)

    def used_at(self) -> int:
        """Return the time when a snapshot was last made the current one, in nanoseconds; 0 before
        the first.
        """
        try:
            return (self.folder / CURRENT).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def use(self, number: int) -> None:
        """Makes a snapshot that is there the current one."""
        durable.write_text(self.folder / CURRENT, pointer(number), "current")

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
        """Raises NotFound, Corrupt where it can't be read, Misconfigured for a newer format's."""
        path = self.path(number)
        try:
            data = path.read_bytes()
            sums.check(path, hashlib.sha256(data).hexdigest())
        except FileNotFoundError:
            raise NotFound(f"There is no snapshot {number}.") from None
        return parsed(data, path)

    def readable(self) -> list[Manifest]:
        """The manifests that can be read, oldest first; a damaged one is left alone."""
        found = []
        for number in self.numbers():
            with suppress(NotFound, Corrupt):
                found.append(self.read(number))
        return found

    def publish(self, manifest: Manifest) -> None:
        """Makes a snapshot the current one. Its segment files must be durable already."""
        self.keep(manifest.number, manifest.model_dump_json(indent=1).encode())

    def rewrite(self, manifest: Manifest) -> None:
        """Replace the manifest of a snapshot; which one is current stays."""
        self._write(manifest.number, manifest.model_dump_json(indent=1).encode())

    def _write(self, number: int, data: bytes) -> None:
        path = self.path(number)
        sums.write(path, hashlib.sha256(data).hexdigest())
        durable.write_bytes(path, data, "manifest")

    def keep(self, number: int, data: bytes) -> None:
        """The same of a manifest as it is written."""
        try:
            self._write(number, data)
            self.use(number)
        except BaseException:
            if self.current_number() != number:
                self.remove(number)
            raise

    def remove(self, number: int) -> None:
        """Removes a snapshot's folder; its segments may be those of others."""
        shutil.rmtree(self.path(number).parent, ignore_errors=True)

    def remove_unpublished(self) -> None:
        """Remove partial files of a killed process: snapshots that were never current, or were
        removed.
        """
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
            raise Corrupt(f"{path} is damaged: it doesn't match the manifest of its snapshot.")
        return path


def number_in(text: str, where: object) -> int:
    """The number that a `CURRENT` holds. Raises Corrupt."""
    number, *_ = text.removesuffix("\n").split(" ")
    # Older versions wrote the number alone.
    if not re.fullmatch(r"\d{6,18}", number) or text not in (f"{number}\n", pointer(int(number))):
        raise Corrupt(f"{where} doesn't hold a snapshot's number.")
    return int(number)


def parsed(data: bytes, where: object) -> Manifest:
    """A manifest as it was written. Raises Corrupt, Misconfigured for a newer format's."""
    try:
        _refuse_newer(where, data)
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise Corrupt(f"{where} is damaged or of another version: {error}") from error


def _refuse_newer(path: object, data: bytes) -> None:
    """Raise Misconfigured, because data of a newer program isn't damaged and must not be
    repaired.
    """
    found = _Format.model_validate_json(data).format
    if found > FORMAT:
        raise Misconfigured(
            f"{path} has format {found}, written by a newer program; this one reads formats up to "
            f"{FORMAT}. Use the newer program, or restore a backup that this one made "
            "(`ise restore`) to a new ISE_DATA_DIR."
        )


def pointer(number: int) -> str:
    """Return the content of `CURRENT`: a flipped digit must not name another snapshot."""
    text = f"{number:06d}"
    return f"{text} {hashlib.sha256(text.encode()).hexdigest()[:16]}\n"
