"""The joint space of two towers that were trained together: their vectors, at unit length."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from services.embedder.fingerprint import short_digest
from shared.core.errors import FingerprintMismatch
from shared.models.aligned import PREFIX

Floats = NDArray[np.float32]


class AlignedNetwork:
    """Replaces a matching network where none needs to be trained."""

    def __init__(self, dim: int) -> None:
        self.image_dim = self.joint_dim = dim

    takes_context = False
    takes_meanings = False

    def joint_images(self, features: Tensor) -> Tensor:
        """(n, dim) -> (n, dim) of length 1."""
        return functional.normalize(features, dim=1)

    def project_images(self, features: Floats) -> Floats:
        """(n, dim) -> (n, dim) float32 of length 1."""
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        unit: Floats = (features / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return unit

    def project_words(self, features: Floats) -> Floats:
        """The same of terms."""
        return self.project_images(features)


class AlignedSpace:
    """The only joint space of an embedder that hosts such towers."""

    def __init__(self, dim: int, image_fingerprint: str, text_fingerprint: str) -> None:
        self.network = AlignedNetwork(dim)
        towers = {"image": image_fingerprint, "text": text_fingerprint}
        self.fingerprint = f"{PREFIX}{short_digest(towers)}"
        self._towers = f"{image_fingerprint} and {text_fingerprint}"

    def fingerprints(self) -> list[str]:
        return [self.fingerprint]

    def get(self, fingerprint: str | None = None) -> "AlignedSpace":
        """Return itself. Raises FingerprintMismatch if another space is requested."""
        if fingerprint not in (None, self.fingerprint):
            raise FingerprintMismatch(
                f"The joint space was made with {fingerprint}, but the embedder hosts "
                f"{self.fingerprint}, the towers {self._towers}. Restore the former model "
                "(ISE_MATCHING), or rebuild the joint space: `ise build`.",
                network=fingerprint,
                hosted=self.fingerprint,
            )
        return self
