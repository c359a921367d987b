"""Key frames of videos in the catalogue: their times, and a model's features of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select

from services.indexer.catalog.database import Database, next_revision, revision
from services.indexer.catalog.schema import features, frames, images, locations
from shared.media.video_head import VIDEOS

_MANY = 500
_AT_ONCE = 100
"""Videos whose frames are read together: those of one take some ten KiB."""


@dataclass(frozen=True)
class VideoFrames:
    """Frames of a video, as a model sees them. features: float32 of shape (times, dim)."""

    ordinal: int
    times: Sequence[float]
    features: NDArray[np.float32]

    @classmethod
    def of(
        cls, ordinal: int, times: Sequence[float], rows: Sequence[NDArray[np.float32]]
    ) -> "VideoFrames":
        """Return the frames of a video, each with a row of features; there may be none."""
        features = np.stack(rows) if rows else np.empty((0, 0), np.float32)
        return cls(ordinal, times, features)


class Frames:
    """Reads and sets the frames of videos. A video that shows none has an empty list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revision(self) -> int:
        """Return the revision that the catalogue is at."""
        with self._database.read() as db:
            return revision(db)

    def lacking(self, fingerprint: str, since: int = 0) -> Iterator[list[tuple[int, str]]]:
        """Give the ordinals and ids of videos without frames of a model, some at a time.

        since: only of those that came or changed after a revision.
        """
        last = -1
        while True:
            with self._database.read() as db:
                query = self._lacking(fingerprint, since).where(images.c.ordinal > last)
                rows = db.execute(query.order_by(images.c.ordinal).limit(_MANY)).all()
            if not rows:
                return
            last = rows[-1].ordinal
            yield [(row.ordinal, row.id) for row in rows]

    def put(self, found: Mapping[str, Sequence[VideoFrames]]) -> None:
        """Set the frames of videos, by fingerprint; videos that are gone by now are left out."""
        wanted = sorted({one.ordinal for some in found.values() for one in some})
        if not wanted:
            return
        with self._database.write() as db:
            there = db.execute(select(images.c.ordinal).where(images.c.ordinal.in_(wanted)))
            kept = {row.ordinal for row in there}
            if not kept:
                return
            number = next_revision(db)
            for fingerprint, some in found.items():
                rows = [_row(fingerprint, one, number) for one in some if one.ordinal in kept]
                is_its = frames.c.fingerprint == fingerprint
                db.execute(delete(frames).where(is_its, frames.c.ordinal.in_(kept)))
                if rows:
                    db.execute(insert(frames), rows)

    def since(self, fingerprint: str, former: int) -> tuple[list[int], int]:
        """Return the videos whose frames were set after a revision, and the revision that they go
        up to.
        """
        with self._database.read() as db:
            rows = db.execute(
                select(frames.c.ordinal)
                .where(frames.c.fingerprint == fingerprint, frames.c.revision > former)
                .order_by(frames.c.ordinal)
            )
            return [row.ordinal for row in rows], revision(db)

    def read(self, fingerprint: str, ordinals: Sequence[int]) -> Iterator[list[VideoFrames]]:
        """Give the frames of some videos, some at a time; those without any are left out."""
        for start in range(0, len(ordinals), _AT_ONCE):
            query = select(frames.c.ordinal, frames.c.times, frames.c.features).where(
                frames.c.fingerprint == fingerprint,
                frames.c.ordinal.in_(ordinals[start : start + _AT_ONCE]),
            )
            with self._database.read() as db:
                rows = db.execute(query.order_by(frames.c.ordinal)).all()
            yield [
                VideoFrames(
                    row.ordinal,
                    row.times,
                    np.frombuffer(row.features, "<f4").reshape(len(row.times), -1),
                )
                for row in rows
                if row.times
            ]

    @staticmethod
    def _lacking(fingerprint: str, since: int) -> Any:
        placed = select(locations.c.ordinal).where(locations.c.ordinal == images.c.ordinal)
        embedded = select(features.c.ordinal).where(
            features.c.ordinal == images.c.ordinal, features.c.fingerprint == fingerprint
        )
        done = select(frames.c.ordinal).where(
            frames.c.ordinal == images.c.ordinal, frames.c.fingerprint == fingerprint
        )
        query = select(images.c.ordinal, images.c.id)
        return query.where(
            images.c.revision > since,
            images.c.file["format"].as_string().in_(list(VIDEOS)),
            placed.exists(),
            embedded.exists(),
            ~done.exists(),
        )


def _row(fingerprint: str, one: VideoFrames, number: int) -> dict[str, Any]:
    return {
        "ordinal": one.ordinal,
        "fingerprint": fingerprint,
        "times": list(one.times),
        "features": np.ascontiguousarray(one.features, "<f4").tobytes(),
        "revision": number,
    }
