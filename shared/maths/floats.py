"""Distance of computed vectors, and the tolerance within which they count as equal.

The last bits of a float depend on the processor, the library, the number of threads and the batch:
floats that two calls computed are compared within a tolerance, and none is a key.
"""

import numpy as np
from numpy.typing import NDArray

SAME_FEATURES = 1e-5
"""The largest distance of two vectors of one picture, as a share of their length.

Sums in another order leave fp32 features up to 2e-6 apart (batches of 1 to 18, AVX2 and AVX-512,
torch and OpenVINO, five networks); bf16 moves them by 2e-3 or more. No cosine distance changes by
more than this.
"""


def furthest(found: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Return the largest distance between rows (n, dim), each as a share of the expected length.

    NaN where the shapes differ or a row isn't finite.
    """
    if found.shape != expected.shape:
        return float("nan")
    a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    distances, lengths = np.linalg.norm(a - b, axis=1), np.linalg.norm(b, axis=1)
    shares = np.divide(
        distances, lengths, out=np.where(distances > 0, np.inf, 0.0), where=lengths > 0
    )
    shares[~np.isfinite(distances)] = np.nan
    return float(shares.max(initial=0.0))
