"""The training set that the indexer publishes in `<data>/training/<name>/`.

`features.npy`: float32 (n, dim), features of the matching backbone. `tags.json`: `fingerprint` of
that backbone, `terms`, and `image_terms`: for each row the indexes of its terms.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt, NotFound
from shared.files import npy


@dataclass(frozen=True)
class TrainingSet:
    """Images by their features, (n, dim) float32, and the terms that each carries."""

    features: NDArray[np.float32]
    terms: list[str]
    image_terms: list[list[int]]
    fingerprint: str

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.dtype != np.float32:
            raise Corrupt("The training set's features are not a float32 matrix.")
        if len(self.features) != len(self.image_terms):
            raise Corrupt(
                f"The training set has {len(self.features)} rows of features, and terms for "
                f"{len(self.image_terms)}."
            )
        if any(not 0 <= i < len(self.terms) for row in self.image_terms for i in row):
            raise Corrupt("The training set names a term that it doesn't list.")


def read_training_set(folder: Path) -> TrainingSet:
    """Reads a published training set; its features stay on disk. Raises NotFound or Corrupt."""
    if not (folder / "tags.json").is_file() or not (folder / "features.npy").is_file():
        raise NotFound(f"There is no training set {folder.name}.")
    try:
        tags = json.loads((folder / "tags.json").read_text(encoding="utf-8"))
        features = npy.load(folder / "features.npy", mapped=True)
        return TrainingSet(
            features=features,
            terms=[str(term) for term in tags["terms"]],
            image_terms=[[int(i) for i in row] for row in tags["image_terms"]],
            fingerprint=str(tags["fingerprint"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"The training set {folder.name} can't be read ({error}).") from error
