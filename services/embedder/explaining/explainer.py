"""Contributions of a picture's cells to a similarity."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from services.embedder.backbones.backbone import Backbone
from services.embedder.engines.engine import Pixels
from services.embedder.explaining.cells import CellNetwork, Cells
from services.embedder.matching.joint import JointNetwork
from shared.maths.projection import Projection

Grid = NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """The cosine, and for each picture the contributions of its cells.

    The grids sum to the cosine, unless `approximate`.
    """

    cosine: float
    grids: list[Grid]
    approximate: bool


class Explainer:
    """Explains similarities by any backbone, one at a time: callers hold `turn`."""

    def __init__(self) -> None:
        # Weak keys, so that the memory of a backbone that was replaced is freed.
        self._networks: WeakKeyDictionary[Backbone, CellNetwork] = WeakKeyDictionary()
        self.turn = asyncio.Lock()

    def pair(
        self,
        backbone: Backbone,
        pictures: Sequence[Pixels],
        projection: Projection | None = None,
    ) -> Explained:
        """Explain the similarity of two pictures by their features, or by a projection of them.

        Raises Conflict.
        """
        network = self._network(backbone)
        a, b = (network.cells(pixels) for pixels in pictures)
        if projection is not None:
            a, b = a.placed(projection), b.placed(projection)
        length = float(np.linalg.norm(a.features) * np.linalg.norm(b.features)) or 1.0
        cosine = float(a.features @ b.features) / length
        if a.exact and b.exact:
            return Explained(cosine, [_parts(a, b, length), _parts(b, a, length)], False)
        grids = [
            _gradient(network, pixels, other, projection)
            for pixels, other in zip(pictures, (b.features, a.features), strict=True)
        ]
        return Explained(cosine, grids, True)

    def joint(
        self,
        backbone: Backbone,
        matching: JointNetwork,
        pictures: Sequence[Pixels],
        term: NDArray[np.float32] | None = None,
    ) -> Explained:
        """Explain the similarity of two pictures in the joint space, or of one picture and a term's
        joint vector.

        The matching network is not linear, so the grids are gradient times input.
        """
        network = self._network(backbone)
        features = np.array([network.cells(p).features for p in pictures], np.float32)
        targets = matching.project_images(features)[::-1]
        if term is not None:
            targets = term[None]
        own = matching.project_images(features[:1])[0].astype(np.float64)
        cosine = float(own @ targets[0])

        def towards(target: NDArray[np.float32], pixels: Pixels) -> Grid:
            goal = torch.from_numpy(target.copy())
            return network.gradient(pixels, lambda found: matching.joint_images(found.cpu()) @ goal)

        grids = [towards(t, p) for t, p in zip(targets, pictures, strict=True)]
        return Explained(cosine, grids, True)

    def _network(self, backbone: Backbone) -> CellNetwork:
        network = self._networks.get(backbone)
        if network is None:
            network = CellNetwork(backbone.network, backbone.preprocessing.blank())
            self._networks[backbone] = network
        return network


def _parts(of: Cells, other: Cells, length: float) -> Grid:
    count = of.cells.shape[0] * of.cells.shape[1]
    grid: Grid = of.cells @ other.features / (length * count)
    return grid


def _gradient(
    network: CellNetwork,
    pixels: Pixels,
    other: NDArray[np.float64],
    projection: Projection | None,
) -> Grid:
    goal = torch.from_numpy(other).float()

    def cosine(features: Tensor) -> Tensor:
        placed = features.cpu()
        if projection is not None:
            mean, axes = torch.from_numpy(projection.mean), torch.from_numpy(projection.axes)
            placed = (functional.normalize(placed, dim=1) - mean) @ axes
        return functional.cosine_similarity(placed, goal[None])

    return network.gradient(pixels, cosine)
