"""The matching network: images and words in one space, where a tag is near its images.

Two towers of two layers each, one for the features of an image and one for those of a word, return
unit vectors, whose product is the cosine similarity. In parallel to the layers of a tower is a
linear map, a regression that finds words that no image carries; the layers learn the residual.

The outputs are moved towards nearby trained terms, the anchors: an untrained picture is described
by what it resembles, and so is its word (after ConSE, Norouzi et al., "Zero-shot learning by convex
combination of semantic embeddings", 2014).
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

JOINT_DIM = 128
MOST_ANCHORS = 4096
_CHUNK = 1024
_IMAGE_DRAW = (1.0, 0.2)
_TERM_DRAW = (0.5, 0.1)
"""Weight of the anchors, and the temperature of their softmax."""


class Tower(nn.Module):
    """Maps (n, inputs) to (n, outputs) of length 1. Inputs are standardised by given statistics."""

    mean: Tensor
    std: Tensor
    direct: Tensor | None

    def __init__(self, inputs: int, hidden: int, outputs: int, has_direct: bool) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))
        # A buffer, because training it would improve only the tags of the training set.
        self.register_buffer("direct", torch.zeros(outputs, inputs) if has_direct else None)
        # Uninitialised until `initialise` or `load_state_dict`: PyTorch's own initialisation would
        # use the global random state.
        self.first = _bare_linear(inputs, hidden)
        self.second = _bare_linear(hidden, outputs)

    def forward(self, features: Tensor) -> Tensor:
        standard = (features - self.mean) / self.std
        joint = self.second(torch.relu(self.first(standard)))
        if self.direct is not None:
            joint = joint + standard @ self.direct.T
        return functional.normalize(joint, dim=1)

    def standardise_by(self, mean: Tensor, std: Tensor) -> None:
        """Sets the mean and deviation of its inputs, each (inputs,)."""
        self.mean.copy_(mean)
        # A constant feature carries no information; without this floor its noise would dominate.
        self.std.copy_(torch.where(std > 1e-6 * (1 + mean.abs()), std, torch.ones_like(std)))

    def initialise(self, generator: Generator) -> None:
        """He et al. 2015 weights from `generator`, so that torch's global state is left alone."""
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)

    def start_from(self, direct: Tensor) -> None:
        """Makes it the linear map (outputs, inputs) alone, until its layers have learnt."""
        if self.direct is None:
            raise ValueError("a tower without a linear map has none to start from")
        self.direct.copy_(direct)
        nn.init.zeros_(self.second.weight)


class MatchingNetwork(nn.Module):
    """The two towers, and the anchors, (t, joint_dim), if any."""

    anchors: Tensor | None
    takes_meanings = False

    def __init__(
        self,
        image_dim: int,
        word_dim: int,
        hidden: int,
        joint_dim: int = JOINT_DIM,
        has_direct: bool = True,
        anchors: int = 0,
    ) -> None:
        super().__init__()
        self.has_direct = has_direct
        self.image_dim, self.word_dim = image_dim, word_dim
        self.hidden, self.joint_dim = hidden, joint_dim
        self.image = Tower(image_dim, hidden, joint_dim, has_direct)
        self.word = Tower(word_dim, hidden, joint_dim, has_direct)
        self.register_buffer("anchors", torch.zeros(anchors, joint_dim) if anchors else None)

    @property
    def takes_context(self) -> bool:
        """True if words need their neighbours; the first networks did not use any."""
        return self.anchors is not None

    @torch.no_grad()
    def anchor(self, words: Tensor) -> None:
        """Set trained words, (t, word_dim), as anchors."""
        self.register_buffer("anchors", self.word(words))

    def forward(self, images: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        return self.image(images), self.word(words)

    def joint_images(self, features: Tensor) -> Tensor:
        """(n, image_dim) -> (n, joint_dim) of length 1, drawn towards the anchors."""
        return self._drawn(self.image(features), *_IMAGE_DRAW)

    def joint_words(self, features: Tensor) -> Tensor:
        """(n, word_dim) -> (n, joint_dim) of length 1, drawn towards the anchors."""
        return self._drawn(self.word(features), *_TERM_DRAW)

    def project_images(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, image_dim) -> (n, joint_dim) float32 of length 1."""
        return _project(self.joint_images, features, self.joint_dim)

    def project_words(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, word_dim) -> (n, joint_dim) float32 of length 1."""
        return _project(self.joint_words, features, self.joint_dim)

    def _drawn(self, joint: Tensor, share: float, temperature: float) -> Tensor:
        if self.anchors is None:
            return joint
        near = functional.softmax(joint @ self.anchors.T / temperature, dim=1) @ self.anchors
        return functional.normalize(joint + share * functional.normalize(near, dim=1), dim=1)


@torch.no_grad()
def keep_share(network: MatchingNetwork, share: float) -> None:
    """Scale the layers' contribution relative to the linear maps."""
    for tower in (network.image, network.word):
        tower.second.weight.mul_(share)
        tower.second.bias.mul_(share)


def _bare_linear(inputs: int, outputs: int) -> nn.Linear:
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    return layer


def _project(
    tower: Callable[[Tensor], Tensor], features: NDArray[np.float32], joint_dim: int
) -> NDArray[np.float32]:
    joint = np.empty((len(features), joint_dim), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(features), _CHUNK):
            # Copy, because torch warns of read-only arrays, such as mapped ones.
            chunk = np.array(features[start : start + _CHUNK], dtype=np.float32)
            joint[start : start + len(chunk)] = tower(torch.from_numpy(chunk)).numpy()
    return joint
