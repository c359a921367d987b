"""Short codes of vectors: the principal dimensions, rotated, one or two of them in 4 bits.

A vector of any length becomes at most 64 bytes. Principal dimensions (Pearson 1901) keep what tells
the vectors of this collection apart; a random rotation spreads it evenly over them; each pair of
them, or each by itself, is then one of 16 points (product quantization: Jégou et al., TPAMI 2011),
which is what a CPU can compare fastest (André et al., "Quicker ADC", TPAMI 2021).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import faiss
import numpy as np
from numpy.typing import NDArray

from shared.engines.ivf.extension import native
from shared.maths.linear_algebra import orthonormal, principal_axes
from shared.maths.parts import in_parts

MAX_WIDTH = 256
BITS = 4
# A larger sample doesn't change the codes measurably.
_PCA_ROWS = 30_000
_POINTS_PER_CODEWORD = 512
_ROUNDS = 25
# Vectors that are encoded, and pairs of dimensions whose codewords are learnt, at a time.
_PART = 512
_PAIRS = 8


@contextmanager
def one_faiss_thread() -> Iterator[None]:
    """Limit faiss to one thread: so small a K-means is five times slower on two threads than on
    one.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


@dataclass(frozen=True)
class CodeForm:
    """Form of codes: how many principal dimensions they tell of, in how many bytes.

    A byte tells of 2 dimensions at least and 4 at most. Where it's neither for all of them, some
    dimensions have 4 bits of their own, and the others share them by twos.
    """

    directions: int
    code_size: int

    @classmethod
    def usual(cls, dim: int) -> Self:
        """Return the form for vectors of a length when nothing is measured: two in 4 bits."""
        directions = 4 * -(-min(dim, MAX_WIDTH) // 4)
        return cls(directions, directions // 4)

    @property
    def width(self) -> int:
        """Dimensions of a projected vector; beside one that has 4 bits of its own, one is zero."""
        return 4 * self.code_size

    @property
    def columns(self) -> NDArray[np.int64]:
        """The column of each direction in a projection."""
        alone = self.width - self.directions
        paired = np.arange(self.directions - alone)
        return np.concatenate([paired, len(paired) + 2 * np.arange(alone)])


class Codec:
    """Codec of a collection's codes. Immutable.

    mean: float32 (dim,); projection: float32 (dim, width), width a multiple of 4;
    codebooks: float32 (width / 2, 16, 2).
    """

    def __init__(
        self,
        mean: NDArray[np.float32],
        projection: NDArray[np.float32],
        codebooks: NDArray[np.float32],
    ) -> None:
        self.mean = mean
        self.projection = projection
        self.codebooks = codebooks
        self.offset = mean @ projection
        self._books = np.ascontiguousarray(codebooks, np.float32)
        self._quantizer = faiss.ProductQuantizer(self.width, self.width // 2, BITS)
        faiss.copy_array_to_vector(codebooks.ravel(), self._quantizer.centroids)

    @classmethod
    def train(cls, sample: NDArray[np.float32], seed: int) -> "Codec":
        """Learns from vectors as they will be encoded, float32 of shape (n, dim), n >= 16."""
        return CodecTraining(sample, seed).codec(CodeForm.usual(sample.shape[1]))

    @property
    def width(self) -> int:
        """Dimensions after projection."""
        return int(self.projection.shape[1])

    @property
    def code_size(self) -> int:
        """Bytes a code."""
        return self.width // 4

    def project(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (…, dim) -> (…, width). Distances shrink by what lies in the other dimensions."""
        return vectors @ self.projection - self.offset

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
        """float32 (n, dim) -> uint8 (n, code_size)."""
        codes = np.empty((len(vectors), self.code_size), np.uint8)

        def encode(part: slice) -> None:
            codes[part] = self._encoded(np.ascontiguousarray(self.project(vectors[part])))

        in_parts(encode, len(vectors), _PART)
        return codes

    def _encoded(self, points: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the codes of projected vectors."""
        compiled = native()
        if compiled is not None and self.width <= MAX_WIDTH:
            found = compiled.encode(points, self._books, self.width // 2)
            return np.frombuffer(found, np.uint8).reshape(-1, self.code_size)
        with one_faiss_thread():
            codes: NDArray[np.uint8] = self._quantizer.compute_codes(points)
        return codes

    def squared_distance(self, point: NDArray[np.float32], code: NDArray[np.uint8]) -> float:
        """Between a projected query (width,) and what a code (code_size,) stands for."""
        numbers = np.stack([code & 15, code >> 4], axis=1).reshape(-1)
        stands_for = self.codebooks[np.arange(len(numbers)), numbers].reshape(-1)
        return float(((stands_for.astype(np.float64) - point) ** 2).sum())


class CodecTraining:
    """Learns codes of any form from one sample, whose principal dimensions are found once."""

    def __init__(self, sample: NDArray[np.float32], seed: int) -> None:
        """sample: vectors as they will be encoded, float32 of shape (n, dim), n >= 16."""
        if len(sample) > _PCA_ROWS:
            chosen = np.random.default_rng(seed).choice(len(sample), _PCA_ROWS, replace=False)
            sample = sample[np.sort(chosen)]
        self._seed = seed
        self._mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._centred = sample - self._mean
        self._axes = principal_axes(self._centred)

    def codec(
        self, form: CodeForm, points: int = _POINTS_PER_CODEWORD, rounds: int = _ROUNDS
    ) -> Codec:
        """Return codes of a form. points: most vectors to learn from, for each codeword."""
        projection = _projection(self._axes, form, np.random.default_rng(self._seed))
        # All pairs begin with one seed, so they may be learnt one by one, or together.
        points_of = self._centred @ projection

        def learn(pairs: slice) -> NDArray[np.float32]:
            count = pairs.stop - pairs.start
            quantizer = faiss.ProductQuantizer(2 * count, count, BITS)
            quantizer.cp.seed = self._seed
            quantizer.cp.niter = rounds
            quantizer.cp.min_points_per_centroid = 1
            quantizer.cp.max_points_per_centroid = points
            of_pairs = points_of[:, 2 * pairs.start : 2 * pairs.stop]
            with one_faiss_thread():
                quantizer.train(np.ascontiguousarray(of_pairs))
            words: NDArray[np.float32] = faiss.vector_to_array(quantizer.centroids)
            return words.reshape(count, 1 << BITS, 2)

        learnt = in_parts(learn, form.width // 2, _PAIRS)
        return Codec(self._mean, projection, np.concatenate(learnt))


def _projection(
    axes: NDArray[np.floating], form: CodeForm, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the first principal axes (dim, n), rotated among each other; float32 (dim, width)."""
    dim, count = axes.shape[0], min(axes.shape[1], form.directions)
    principal = np.zeros((dim, form.directions))
    principal[:, :count] = axes[:, :count]
    rotation = orthonormal(rng.standard_normal((form.directions, form.directions)))
    projection = np.zeros((dim, form.width), np.float32)
    projection[:, form.columns] = principal @ rotation
    return projection
