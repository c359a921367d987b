"""open_clip's tower of text: the features of any sentence."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.embedder import fingerprint
from services.embedder.towers.source import Source, find_source
from shared.core.errors import Misconfigured

_BATCH = 64


class TextTower:
    """Maps any text to features. Safe to use from several threads."""

    def __init__(
        self,
        source: Source,
        module: nn.Module,
        tokenize: Callable[[list[str]], Tensor],
        device: torch.device,
    ) -> None:
        self.architecture = source.architecture
        self._tokenize = tokenize
        self._device = device
        self.fingerprint = _fingerprint(source, module)
        self._module = module.to(device)
        self.dim = int(self._features(["a picture"]).shape[1])

    def embed(
        self, terms: Sequence[str], allow_unknown: bool = False
    ) -> list[NDArray[np.float32] | None]:
        """Return the features of each term, (dim,) float32; longer texts than the tower's are
        truncated.

        `_` separates words, as in tags.
        """
        texts = [term.replace("_", " ").strip() for term in terms]
        parts = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        return [row for part in parts for row in self._features(part)]

    def in_context(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors unchanged: a sentence brings its context."""
        return vectors

    def _features(self, texts: list[str]) -> NDArray[np.float32]:
        with torch.inference_mode():
            features: Tensor = self._module(self._tokenize(texts).to(self._device))
        found: NDArray[np.float32] = features.float().cpu().numpy()
        return found


def load_text_tower(
    name: str, weights: str, setting: str, hub_seconds: float, device: torch.device
) -> TextTower:
    """The tower of `open_clip:<model>`. Raises Misconfigured."""
    source = find_source(name, weights, setting, hub_seconds)
    return TextTower(source, source.text_tower(), _tokenizer(source), device)


def _tokenizer(source: Source) -> Callable[[list[str]], Tensor]:
    from open_clip import get_tokenizer

    try:
        found: Callable[[list[str]], Tensor] = get_tokenizer(source.tokenizer)
    except (RuntimeError, ValueError, OSError, ImportError, AttributeError) as error:
        raise Misconfigured(
            f"The tokenizer of {source.architecture} can't be had ({error}). Those of SigLIP and "
            "of other models that aren't CLIP's need the package transformers, and the hub or a "
            "folder (open_clip:local-dir:<folder>) that holds the tokenizer's files."
        ) from error
    return found


def _fingerprint(source: Source, module: nn.Module) -> str:
    described = {
        "architecture": source.architecture,
        "weights": fingerprint.tensors_digest(module.state_dict()),
        "shape": {key: source.config.get(key) for key in ("embed_dim", "text_cfg", "quick_gelu")},
    }
    return f"{fingerprint.label(source.architecture)}-text-{fingerprint.short_digest(described)}"
