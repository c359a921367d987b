"""Choice and training of a collection's feature transform."""

import math

import numpy as np

from services.indexer.clustering import neighbour_projection
from services.indexer.clustering.streaming import Rows
from shared.core.errors import InvalidInput
from shared.maths.projection import Projection
from shared.models.external import is_external
from shared.snapshots.transform import Transform

_AUTO_WIDTH = 128
# At least this many images per direction, and at most this many images in total.
_IMAGES_A_DIRECTION = 8
_SAMPLE = 20_000
# Shorter features don't benefit from a transform.
_LEAST_DIM = 512


def chosen(wanted: str, fingerprint: str, rows: int, dim: int) -> str:
    """Return `none`, `l2` or `pca:N`: as requested, or for `auto` the best measured choice.

    Raises InvalidInput if the collection doesn't allow the requested one.
    """
    if wanted == "auto":
        can = not is_external(fingerprint) and dim >= _LEAST_DIM
        fits = rows >= _IMAGES_A_DIRECTION * _AUTO_WIDTH
        return f"pca:{_AUTO_WIDTH}" if can and fits else "none"
    if wanted != "none" and is_external(fingerprint):
        raise InvalidInput(
            f"Vectors from outside are compared as they are; `transform` can't be {wanted} for "
            f"{fingerprint}. Ask for `none`."
        )
    if wanted.startswith("pca:") and int(wanted[4:]) > min(rows, dim):
        raise InvalidInput(
            f"`transform` asks for {wanted[4:]} directions, but there are {rows} images with "
            f"features of {dim} numbers. Ask for {min(rows, dim)} at most."
        )
    return wanted


def learned(name: str, features: Rows, dim: int) -> Transform | None:
    """Return the transform of that name, learnt from the collection's features; None for `none`."""
    if name == "none":
        return None
    if name == "l2":
        return Transform(name, dim)
    sample = features[np.arange(0, len(features), math.ceil(len(features) / _SAMPLE))]
    is_enough = len(sample) >= neighbour_projection.LEAST_ROWS
    learn = neighbour_projection.learn if is_enough else Projection.learn
    return Transform(name, dim, learn(sample, int(name[4:])))
