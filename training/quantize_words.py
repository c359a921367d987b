"""Makes the packaged word vectors: 8-bit codes, one scale a word; measures what that loses.

python -m training.quantize_words --vectors W.npy --vocab W.vocab.txt --out services/embedder/assets
"""

import argparse
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from services.embedder.words.packaged import CODES, SCALES, VECTORS, VOCABULARY, dequantize

LEVELS = 127
FREQUENT = 1000
NEIGHBOURS = 10


def quantize(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(n, d) vectors -> codes (n, d) int8 and scales (n,) float32, for `dequantize`."""
    scales = np.maximum(np.abs(vectors).max(axis=1), np.finfo(np.float32).tiny) / LEVELS
    codes = np.rint(vectors / scales[:, None]).astype(np.int8)
    return codes, scales.astype(np.float32)


def mean_cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """The mean cosine of rows of the same index."""
    return float((_unit(left) * _unit(right)).sum(axis=1).mean())


def neighbour_overlap(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """The part of the nearest 10 by cosine that both sides name, over the first 1,000 rows."""
    pairs = zip(_nearest(left), _nearest(right), strict=True)
    return float(np.mean([len(set(one) & set(other)) for one, other in pairs]) / NEIGHBOURS)


def _nearest(vectors: NDArray[np.float32]) -> list[list[int]]:
    unit = _unit(vectors)
    similarity = unit[:FREQUENT] @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argpartition(-similarity, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    found: list[list[int]] = nearest.tolist()
    return found


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def main() -> None:
    """Writes both files into the folder and prints the loss and the sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vectors", type=Path, required=True, help=".npy, a float row a word")
    parser.add_argument(
        "--vocab", type=Path, required=True, help="a word a line, in the order of the rows"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the assets")
    args = parser.parse_args()
    vectors = np.load(args.vectors, allow_pickle=False).astype(np.float32)
    words = args.vocab.read_text(encoding="utf-8").splitlines()
    if len(words) != len(vectors):
        raise ValueError(f"{len(words)} words, but {len(vectors)} vectors")
    codes, scales = quantize(vectors)
    tensors, vocabulary = args.out / VECTORS, args.out / VOCABULARY
    metadata = {"name": "words", "version": "1"}
    tensors.write_bytes(safetensors.numpy.save({CODES: codes, SCALES: scales}, metadata))
    vocabulary.write_text("\n".join(words) + "\n", encoding="utf-8")
    restored = dequantize(codes, scales)
    print(f"words {len(words)}, bytes {tensors.stat().st_size} + {vocabulary.stat().st_size}")
    print(f"mean cosine {mean_cosine(vectors, restored):.6f}")
    overlap = neighbour_overlap(vectors, restored)
    print(f"top-{NEIGHBOURS} overlap, {FREQUENT} frequent words {overlap:.4f}")


if __name__ == "__main__":
    main()
