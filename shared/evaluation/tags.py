"""Tag to image: how well the joint space ranks the images of each tag."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.clients import embedder, indexer
from shared.clients.transport import Client
from shared.contracts.embedder import TermSpace
from shared.contracts.features import ExportInfo, ExportSpace
from shared.evaluation import metrics
from shared.evaluation.labels import Labels
from shared.evaluation.measure import estimate
from shared.evaluation.results import Estimate, TagResult, TermResult
from shared.files.export_archive import unpack
from shared.snapshots.items import tag_key

_CHUNK = 2**20


def tag_to_image(indexing: Client, embedding: Client, labels: Labels) -> TagResult | None:
    """Search each label as a term among the joint vectors of all labelled images.

    `mode: tag` would rank only images that carry the tag. None if no label has a word vector.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with indexing.stream(indexer.export_collection(ExportSpace.JOINT)) as response:
            unpack(response.iter_bytes(_CHUNK), folder)
        info = ExportInfo.model_validate_json((folder / "export.json").read_bytes())
        vectors = np.load(folder / "features.npy", allow_pickle=False)
        ids = (folder / "ids.txt").read_text().splitlines()
    rows = [row for row, image_id in enumerate(ids) if image_id in labels]
    points = _units(vectors[rows])
    names = [labels[ids[row]] for row in rows]
    terms = sorted({one for some in names for one in some})
    call = embedder.embed_terms(terms, TermSpace.JOINT, info.fingerprint, allow_unknown=True)
    asked = _units(embedding.send(call).vectors)
    trained = None if info.trained_on is None else set(map(tag_key, info.trained_on))
    vectors_of = dict(zip(terms, asked, strict=True))
    unknown = [term for term, vector in vectors_of.items() if np.isnan(vector).any()]
    found = [
        TermResult(
            term=term,
            seen=None if trained is None else tag_key(term) in trained,
            average_precision=_average_precision(term, vector, points, names),
        )
        for term, vector in vectors_of.items()
        if term not in unknown
    ]
    if not found:
        return None
    unseen = [one.term for one in found if one.seen is False]
    is_unseen = np.array([not some.isdisjoint(unseen) for some in names], bool)
    kept = [some for some, has in zip(names, is_unseen, strict=True) if has]
    apart = [_average_precision(one, vectors_of[one], points[is_unseen], kept) for one in unseen]
    return TagResult(
        tags=len(found),
        without_word=unknown,
        mean_average_precision=estimate(np.array([one.average_precision for one in found])),
        seen=_mean([one.average_precision for one in found if one.seen is True]),
        unseen=_mean([one.average_precision for one in found if one.seen is False]),
        unseen_apart=_mean(apart),
        terms=found,
    )


def _average_precision(
    term: str,
    vector: NDArray[np.float32],
    points: NDArray[np.float32],
    names: Sequence[frozenset[str]],
) -> float:
    right = np.array([term in some for some in names], bool)
    order = np.argsort(-(points @ vector), kind="stable")
    return metrics.average_precision(right[order], int(right.sum()))


def _mean(values: Sequence[float]) -> Estimate | None:
    return estimate(np.array(values)) if values else None


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
