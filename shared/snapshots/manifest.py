"""`snapshots/<number>/manifest.json`: the parts of a snapshot, and the hash of every file."""

from pydantic import BaseModel, Field, ValidationError

from shared.contracts.base import Wire
from shared.contracts.calibration import Calibration
from shared.contracts.codes import Codes
from shared.contracts.counting import Counting
from shared.contracts.index import Reclustered
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.core.engine import Engine
from shared.core.errors import Corrupt, Misconfigured

FORMAT = 1
"""Format of a manifest and its files. An additional optional field is not a new format."""
TAG_FORM = 1
"""The normal form of tags that filters of Milvus go by; see `shared/terms/normal_form.py`."""


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
    reclustered: Reclustered | None = Field(
        None, description="What the last compaction clustered anew; null: nothing since the build."
    )
    codes: Codes | None = Field(
        None, description="Form of the codes, if there are any and a version that tells wrote it."
    )
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


class FramesManifest(Wire):
    """Key frames of the videos of a space, beside its index.

    `lineage`: what the vectors were made by, as the space's own. `revision`: the change of the
    catalogue they go up to.
    """

    space: str
    lineage: str
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
    frames: list[FramesManifest] = Field(default_factory=list)
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
        return [*self.vital_files(), *self.extra_files()]

    def vital_files(self) -> list[SegmentFile]:
        """The files without which the snapshot can't be served."""
        spaces = [space.files() for space in self.spaces.values()]
        return [file for group in (self.items, *spaces, self.tag_vectors) for file in group]

    def extra_files(self) -> list[SegmentFile]:
        """The files without which it can be served, but answers less."""
        return [*self.label_files(), *self.text_files(), *self.frame_files()]

    def label_files(self) -> list[SegmentFile]:
        """The files of its labels, which it can be served without."""
        return [self.labels.head, *self.labels.files] if self.labels else []

    def text_files(self) -> list[SegmentFile]:
        """The files of its texts, which it can be served without."""
        return list(self.texts.files) if self.texts else []

    def frame_files(self) -> list[SegmentFile]:
        """The files of its videos' key frames, which it can be served without."""
        return [file for one in self.frames for file in one.files]

    def frames_of(self, space: str) -> FramesManifest | None:
        """Return the key frames of a space; None where there are none, or of another model."""
        lineage = self.frames_lineage(space)
        found = (one for one in self.frames if (one.space, one.lineage) == (space, lineage))
        return next(found, None)

    def frames_lineage(self, space: str) -> str | None:
        """Return what the vectors of a space are made by; None: there is no such space."""
        its = self.spaces.get(space)
        if its is None:
            return None
        parts = [its.fingerprint]
        if space == "joint":
            parts.append(self.matching_fingerprint or "")
        if (kept := its.transform) is not None:
            parts += [kept.name, kept.file.sha256 if kept.file else ""]
        return " ".join(parts)


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
