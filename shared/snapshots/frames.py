"""Key frames of videos in a snapshot: by which a video is found, besides its poster.

A frames file, of one space:

    ordinals  (n,)      int64    image number of each frame's video, ascending
    times     (n,)      float32  seconds from the video's beginning, ascending within a video
    vectors   (n, dim)  float32  as the space holds the vectors of images
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, write_arrays


@dataclass(frozen=True)
class FrameVectors:
    """Frames of videos: three arrays with a row for each frame, see above."""

    ordinals: NDArray[np.int64]
    times: NDArray[np.float32]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ordinals)

    def at(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "FrameVectors":
        """Return some of the frames."""
        return FrameVectors(self.ordinals[rows], self.times[rows], self.vectors[rows])

    @classmethod
    def joined(cls, parts: Sequence["FrameVectors"]) -> "FrameVectors":
        """Return the frames of several files, of which there is one at least. Of a video that
        several have, the last counts.
        """
        kept, later = [], np.empty(0, np.int64)
        for part in reversed(parts):
            kept.append(part.at(~np.isin(part.ordinals, later)))
            later = np.union1d(later, part.ordinals)
        kept.reverse()
        whole = cls(
            np.concatenate([part.ordinals for part in kept]),
            np.concatenate([part.times for part in kept]),
            np.concatenate([part.vectors for part in kept]),
        )
        return whole.at(np.lexsort((whole.times, whole.ordinals)))


def write_frames(path: Path, frames: FrameVectors) -> int:
    """Write the frames of videos; give their number."""
    ordered = frames.at(np.lexsort((frames.times, frames.ordinals)))
    write_arrays(
        path,
        {
            "ordinals": np.asarray(ordered.ordinals, np.int64),
            "times": np.asarray(ordered.times, np.float32),
            "vectors": np.ascontiguousarray(ordered.vectors, np.float32),
        },
    )
    return len(ordered)


def read_frames(path: Path) -> FrameVectors:
    """Open a frames file, whose vectors stay on disk. Raises Corrupt."""
    file = MappedFile(path)
    ordinals, times, vectors = file["ordinals"], file["times"], file["vectors"]
    is_one = len(ordinals) == len(times) == len(vectors) and vectors.ndim == 2
    if not is_one or (np.diff(ordinals) < 0).any():
        raise Corrupt(f"{path.name}: its frames, times and vectors don't agree.")
    return FrameVectors(np.asarray(ordinals), np.asarray(times), np.asarray(vectors))
