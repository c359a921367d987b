"""Tag to image: how well the joint space ranks the images of each tag."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.cli.archive import unpack
from shared.clients import embedder, indexer
from shared.clients.transport import Client
from shared.contracts.embedder import TermSpace
from shared.contracts.features import ExportInfo, ExportSpace
from shared.evaluation import metrics
from shared.evaluation.labels import Labels
from shared.evaluation.measure import estimate
from shared.evaluation.results import Estimate, TagResult, TermResult
from shared.snapshots.items import tag_key

_CHUNK = 2**20


def tag_to_image(indexing: Client, embedding: Client, labels: Labels) -> TagResult | None:
    """Each label as a term, against the joint vectors of all labelled images.

    Not by `mode: tag`, which ranks only what carries the tag. None where no label has a word.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with indexing.stream(indexer.export(ExportSpace.JOINT)) as response:
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
    trained = None if info.trained_on is None else set(info.trained_on)
    found: list[TermResult] = []
    unknown = []
    for term, vector in zip(terms, asked, strict=True):
        right = np.array([term in some for some in names], bool)
        if np.isnan(vector).any():
            unknown.append(term)
        elif right.any():
            order = np.argsort(-(points @ vector), kind="stable")
            average = metrics.average_precision(right[order], int(right.sum()))
            seen = None if trained is None else tag_key(term) in trained
            found.append(TermResult(term=term, seen=seen, average_precision=average))
    if not found:
        return None
    return TagResult(
        tags=len(found),
        without_word=unknown,
        mean_average_precision=estimate(np.array([one.average_precision for one in found])),
        seen=_mean([one for one in found if one.seen is True]),
        unseen=_mean([one for one in found if one.seen is False]),
        terms=found,
    )


def _mean(terms: Sequence[TermResult]) -> Estimate | None:
    return estimate(np.array([one.average_precision for one in terms])) if terms else None


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
