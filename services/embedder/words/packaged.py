"""The word vectors inside the package: 8-bit codes and one scale a word.

Made by `training/quantize_words.py`.
"""

from importlib import resources

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from services.embedder.words.table import WordTable

ASSETS = "assets"
VECTORS = "words.safetensors"
VOCABULARY = "words.vocab.txt"
CODES = "codes"
SCALES = "scales"


def dequantize(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Codes (n, d) int8 and scales (n,) float32 -> vectors (n, d) float32."""
    vectors: NDArray[np.float32] = codes.astype(np.float32) * scales[:, None]
    return vectors


def load_packaged_words() -> WordTable:
    """59,019 words, most frequent first, each with a 200-d float32 vector; 45 MiB in memory."""
    folder = resources.files("services.embedder").joinpath(ASSETS)
    tensors = safetensors.numpy.load(folder.joinpath(VECTORS).read_bytes())
    words = folder.joinpath(VOCABULARY).read_text(encoding="utf-8").split("\n")[:-1]
    vectors = dequantize(tensors[CODES], tensors[SCALES])
    if len(words) != len(vectors):
        raise ValueError(f"the packaged words disagree: {len(words)} words, {len(vectors)} vectors")
    return WordTable.of(words, vectors)
