"""A collection that is changed until its indexer is killed, and what was acknowledged of it."""

import io
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.space import Space
from shared.clients import embedder, indexer
from shared.clients.transport import Client
from shared.contracts.embedder import TrainingSettings
from shared.contracts.indexer import BuildSettings, ImagePatch, IngestRequest, TrainMatchingRequest
from shared.contracts.jobs import Job, JobKind, JobState
from shared.core.errors import Conflict, NotFound, StorageFull
from shared.files.durable import TEMPORARY_SUFFIX
from shared.media.identity import content_id
from tests.torture.life import Life

_TAGS = ("dog", "cat", "car", "tree")
_PATIENCE_S = 600.0


def picture(seed: int) -> bytes:
    """A PNG of coloured blocks, another one for each seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((48, 36), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


class JobFailed(Exception):
    """A job that a client asked for did not succeed."""


class World:
    """Acts on a life as a client does, and keeps a ledger of what was acknowledged."""

    def __init__(self, folder: Path, embedding: Client, dice: random.Random) -> None:
        self.data = folder / "data"
        self.source = folder / "source"
        self.source.mkdir(parents=True)
        self.data.mkdir()
        self._embedder = embedding
        self._dice = dice
        self._seeds = dice.randrange(2**32)
        self._pictures: dict[str, bytes] = {}
        self._uploads: dict[str, bytes] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}
        # What was acknowledged: the tags of each image that is there, and the deleted.
        self.present: dict[str, set[str] | None] = {}
        self.deleted: set[str] = set()
        # What is under way: promised to nobody.
        self._unsure: set[str] = set()
        self._snapshots = SnapshotReader(self.data)
        self.acts: dict[str, Callable[[Life], None]] = {
            "begin": self.add,
            "add": self.add,
            "add_tagged": self.add_tagged,
            "delete": self.delete,
            "retag": self.retag,
            "thumbnail": self.thumbnail,
            "ingest": self.ingest,
            "sync": self.sync,
            "build": self.build,
            "transform": self.transform,
            "train": self.train,
            "compact": self.compact,
            "activate": self.activate,
        }

    # --- what a client does -----------------------------------------------------------------------

    def add(self, life: Life) -> None:
        self._add(life, self._dice.sample(_TAGS, self._dice.randint(0, 2)))

    def add_tagged(self, life: Life) -> None:
        """With a tag that nothing had."""
        self._add(life, [f"tag{self._next()}", "dog"])

    def _add(self, life: Life, tags: list[str]) -> None:
        pictures = [self._picture() for _ in range(self._dice.randint(1, 3))]
        # Now and then one that was deleted before.
        pictures += [self._uploads[i] for i in sorted(self.deleted & set(self._uploads))[:1]]
        ids = [content_id(data) for data in pictures]
        self._uploads |= dict(zip(ids, pictures, strict=True))
        self._unsure |= set(ids)
        life.send(indexer.add_images([(f"{i}.png", d) for i, d in enumerate(pictures)], tags))
        self.present |= {image_id: set(tags) for image_id in ids}
        self._settled(ids)

    def delete(self, life: Life) -> None:
        if image_id := self._choose():
            self._unsure.add(image_id)
            life.send(indexer.delete_image(image_id))
            del self.present[image_id]
            self._settled([image_id], deleted=True)

    def retag(self, life: Life) -> None:
        if image_id := self._choose():
            self.present[image_id] = None
            tags = [f"tag{self._next()}"]
            life.send(indexer.patch_image(image_id, ImagePatch(tags=tags)))
            self.present[image_id] = set(tags)

    def thumbnail(self, life: Life) -> None:
        if image_id := self._choose():
            life.send(indexer.get_thumbnail(image_id))

    def ingest(self, life: Life) -> None:
        for _ in range(3):
            self._put_file()
        self._follow(life, sync=False)

    def _put_file(self) -> None:
        data = self._picture()
        path = self.source / self._dice.choice(_TAGS) / f"{content_id(data)}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def sync(self, life: Life) -> None:
        """After some files came, moved and went."""
        if not any(image_id not in self._uploads for image_id in self.present):
            self.ingest(life)
        files = sorted(self.source.rglob("*.png"))
        for path in self._dice.sample(files, (len(files) + 3) // 4):
            path.unlink()
        for path in sorted(self.source.rglob("*.png"))[:2]:
            (self.source / "moved").mkdir(exist_ok=True)
            path.replace(self.source / "moved" / path.name)
        # An empty folder is taken for a mistake.
        self._put_file()
        self._follow(life, sync=True)

    def _follow(self, life: Life, sync: bool) -> None:
        there = {path.stem for path in self.source.rglob("*.png")}
        taken = {i for i in self.present if i not in self._uploads}
        self._unsure |= there ^ taken if sync else there - taken
        request = IngestRequest(source=str(self.source), sync=sync, force=sync, build=False)
        self._run(life, life.send(indexer.ingest(request)))
        for image_id in taken - there if sync else ():
            del self.present[image_id]
            self._settled([image_id], deleted=True)
        self.present |= dict.fromkeys(there - taken)
        self._settled(there)

    def build(self, life: Life) -> None:
        settings = BuildSettings(clusters=min(3, max(1, len(self.present))), transform="none")
        self._run(life, life.send(indexer.build_index(settings)))

    def transform(self, life: Life) -> None:
        settings = BuildSettings(clusters=1, transform="pca:4")
        self._run(life, life.send(indexer.build_index(settings)))

    def train(self, life: Life) -> None:
        settings = TrainingSettings(epochs=1, hidden=16, learning_rate=self._dice.uniform(1e-4, 1))
        request = TrainMatchingRequest(settings=settings)
        self._run(life, life.send(indexer.train_matching(request)))

    def compact(self, life: Life) -> None:
        self._run(life, life.send(indexer.compact_index()))

    def activate(self, life: Life) -> None:
        numbers = [one.number for one in life.send(indexer.list_snapshots()).snapshots]
        try:
            life.send(indexer.activate_snapshot(self._dice.choice(numbers)))
        except (Conflict, NotFound):
            # An empty one, or one that went meanwhile.
            return

    # --- what must hold ---------------------------------------------------------------------------

    def check(self, life: Life) -> None:
        """To be asked of a life that nobody disturbs; what was under way is decided by then."""
        for job in life.send(indexer.list_jobs()).jobs:
            # Nobody asked for a reading of texts, whose process has the lowest priority.
            if not job.state.ended and job.kind is not JobKind.TEXT:
                self._run(life, job)
        if not self.present:
            # What the very first addition left unfinished is published by the next one.
            self.add(life)
        found = {i: tags for i, (tags, _) in self._wait_published(life).items()}
        assert not self.present.keys() - self._unsure - found.keys(), "an image is lost"
        assert not (self.deleted - self._unsure) & found.keys(), "a deleted image is back"
        strangers = found.keys() - self.present.keys() - self._unsure
        assert not strangers, "an image that nobody brought"
        for image_id, tags in self.present.items():
            if tags is not None and image_id not in self._unsure:
                assert tags <= found[image_id], "a tag is lost"
        for image_id in (self._unsure | set(self._sample())) & found.keys() & self._uploads.keys():
            assert life.send(indexer.get_image_file(image_id))[0] == self._uploads[image_id]
        for image_id in self._unsure & found.keys():
            self.present[image_id] = None
            self.deleted.discard(image_id)
        for image_id in self._unsure - found.keys():
            self.present.pop(image_id, None)
            self.deleted.add(image_id)
        self._unsure.clear()

    def check_files(self) -> None:
        """Soon nothing is there that a killed process left: a start may still be publishing."""
        end = time.monotonic() + _PATIENCE_S
        while left := [*self.data.rglob(f".*{TEMPORARY_SUFFIX}"), *self.data.glob("training/*")]:
            assert time.monotonic() < end, f"left over: {left}"
            time.sleep(0.05)

    def _wait_published(self, life: Life) -> dict[str, tuple[set[str], int]]:
        """Tags and number of each image in the snapshot, once it's level with the catalogue."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            collection, dead = self._snapshots.current()
            space = collection.visual
            held = (
                {o for s in space.index.segments for o in s.ordinals.tolist()} if space else set()
            )
            found = {}
            for ordinal in held - set(dead.tolist()):
                item = collection.item(ordinal)
                assert item is not None, "a row without a record"
                found[item.id] = (set(item.tags), ordinal)
            if len(found) == life.send(indexer.get_stats()).images:
                break
            assert time.monotonic() < end, "the snapshot stays behind the catalogue"
            time.sleep(0.05)
        if space is not None:
            for image_id, (_, ordinal) in found.items():
                asked = space.index.ask(space.placed(self._vector(image_id)))
                lists = space.index.rank(asked, space.index.clusters)
                mask = collection.mask(space, dead)
                hits = space.index.scan(asked, lists, 1, space.index.metric, None, mask)
                assert hits.ordinals.tolist() == [ordinal], "an image doesn't find itself"
        return found

    def _vector(self, image_id: str) -> NDArray[np.float32]:
        if image_id not in self._vectors:
            rows = self._embedder.send(embedder.embed_images([self._pictures[image_id]]))
            self._vectors[image_id] = rows.vectors[0]
        return self._vectors[image_id]

    def _run(self, life: Life, job: Job) -> Job:
        """Waits until a job has ended."""
        end = time.monotonic() + _PATIENCE_S
        while not job.state.ended:
            if time.monotonic() > end:
                raise JobFailed(f"{job.kind} is still at {job.progress}")
            time.sleep(0.02)
            job = life.send(indexer.get_job(job.id))
        if job.kind is JobKind.TEXT:
            # Nobody asked for it, and it makes room for every other job.
            return job
        if job.kind is JobKind.COMPACT and job.state is JobState.FAILED:
            assert "Nothing was lost" in str(job.error)
        if job.state is JobState.FAILED and "full" in str(job.error):
            raise StorageFull(str(job.error))
        if job.kind is not JobKind.COMPACT and job.state is not JobState.SUCCEEDED:
            raise JobFailed(f"{job.kind} ended as {job.state}: {job.error}")
        return job

    def _choose(self) -> str | None:
        there = sorted(self.present.keys() & self._uploads.keys())
        return self._dice.choice(there) if there else None

    def _sample(self) -> list[str]:
        return self._dice.sample(sorted(self.present), min(len(self.present), 5))

    def _settled(self, ids: "list[str] | set[str]", deleted: bool = False) -> None:
        self._unsure -= set(ids)
        self.deleted = self.deleted | set(ids) if deleted else self.deleted - set(ids)

    def _next(self) -> int:
        self._seeds += 1
        return self._seeds

    def _picture(self) -> bytes:
        data = picture(self._next())
        self._pictures[content_id(data)] = data
        return data


def _held(space: Space | None) -> set[int]:
    """The numbers of all images in a space."""
    return {n for s in space.index.segments for n in s.ordinals.tolist()} if space else set()
