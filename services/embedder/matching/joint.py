"""Interface of a joint space, whether it was trained here or came with its towers."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]


class TermEncoder(Protocol):
    """Maps terms to features: word vectors, or a text tower."""

    architecture: str
    dim: int
    fingerprint: str

    def embed(self, terms: Sequence[str], allow_unknown: bool = False) -> list[Floats | None]:
        """Return the features of each term, (dim,); None for an unknown one, if allowed.

        Raises UnknownTerm.
        """

    def in_context(self, vectors: Floats) -> Floats:
        """Features of terms (n, dim) as joint networks take them that ask for it."""


class JointNetwork(Protocol):
    """Brings features of images and of terms into one space."""

    image_dim: int
    joint_dim: int

    @property
    def takes_context(self) -> bool:
        """True if terms must be given as `TermEncoder.in_context` returns them."""

    @property
    def takes_meanings(self) -> bool:
        """True if terms must be given as `Meanings.embed` returns them."""

    def joint_images(self, features: Tensor) -> Tensor:
        """(n, image_dim) -> (n, joint_dim) of length 1, for gradients."""

    def project_images(self, features: Floats) -> Floats:
        """(n, image_dim) -> (n, joint_dim) of length 1."""

    def project_words(self, features: Floats) -> Floats:
        """(n, dim of terms) -> (n, joint_dim) of length 1."""


def encoder_of(
    network: JointNetwork, words: TermEncoder, meanings: TermEncoder | None
) -> TermEncoder:
    """The encoder whose features of terms a network takes."""
    return meanings if network.takes_meanings and meanings is not None else words


def joint_terms(network: JointNetwork, encoder: TermEncoder, features: Floats) -> Floats:
    """Map the features of terms (n, dim) to joint vectors (n, joint_dim) of length 1."""
    given = encoder.in_context(features) if network.takes_context else features
    return network.project_words(given)


class JointSpace(Protocol):
    """A network, and the models whose vectors it may be compared with."""

    @property
    def network(self) -> JointNetwork: ...

    @property
    def fingerprint(self) -> str: ...


class JointSpaces(Protocol):
    """The joint spaces that fit the hosted models."""

    def fingerprints(self) -> list[str]: ...

    def get(self, fingerprint: str | None = None) -> JointSpace:
        """The one of that fingerprint, or the current one. Raises FingerprintMismatch, NotFound,
        Conflict and Corrupt."""
