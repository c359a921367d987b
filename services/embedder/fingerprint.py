"""Model identity: weights, architecture, preprocessing and pooling.

Features of models with different fingerprints are never compared. A fingerprint names folders, so
it has letters, digits, dots, dashes and underscores only.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from torch import Tensor

from services.embedder.preprocess import Preprocessing

_DIGITS = 16


def label(name: str) -> str:
    """A model's name as the readable part of a fingerprint."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "model"


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256, hex, over names, types, shapes and bytes; the order of the mapping is no matter."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        # A counter of training steps: no output depends on it, and many files lack it.
        if name.endswith("num_batches_tracked"):
            continue
        array = np.ascontiguousarray(tensors[name].detach().cpu().numpy())
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def of_backbone(
    architecture: str, tensors: Mapping[str, Tensor], preprocessing: Preprocessing, pooling: str
) -> str:
    """`<architecture>-<16 hex digits>`."""
    described = {
        "architecture": architecture,
        "weights": tensors_digest(tensors),
        "preprocessing": asdict(preprocessing),
        "pooling": pooling,
    }
    return f"{label(architecture)}-{short_digest(described)}"


def short_digest(described: Mapping[str, object]) -> str:
    """16 hex digits over a JSON object."""
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]
