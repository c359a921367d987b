"""Whatever happens to a folder between two syncs: the collection is what a fresh ingest gives.

Everything is real but the embedder, which makes three numbers of a file's bytes; so a file need not
be a picture, and many sequences can be tried.
"""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.indexer.builder import Builder
from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.origins import Origins
from services.indexer.embedding import Embedded, Embedding, ModelPair
from services.indexer.features import FeatureStore
from services.indexer.files import ImageFiles
from services.indexer.ingest import IngestSettings
from services.indexer.job_context import JobContext
from services.indexer.matching import Matching
from services.indexer.publisher import Publisher
from services.indexer.work import Workshop
from shared.clients.transport import Client
from shared.identity import content_id


class Numbers(Embedding):
    """Makes features of any bytes."""

    def pair(self) -> ModelPair:
        return ModelPair("m", "m")

    def images(self, files, pair) -> list[Embedded]:
        digests = [np.frombuffer(sha256(data).digest()[:3], np.uint8) for data in files]
        return [Embedded({"m": digest.astype(np.float32) + 1}) for digest in digests]


class Collection:
    """A collection of its own, that follows folders."""

    def __init__(self, data: Path) -> None:
        self.database = Database(f"sqlite:///{data / 'catalog.sqlite'}")
        self.images, self.origins = Images(self.database), Origins(self.database)
        features, self.files = FeatureStore(data), ImageFiles(data, 32, 1000)
        embedder = Client("http://127.0.0.1:9")
        embedding = Numbers(embedder, 1)
        self.publisher = Publisher(data, self.images, features, embedding)
        self.publisher.start()
        self.workshop = Workshop(
            self.images,
            self.origins,
            features,
            self.files,
            embedding,
            self.publisher,
            Builder(self.images, features, embedding, self.publisher),
            Matching(data, self.images, features, embedder),
            IngestSettings(),
            None,
        )

    def ingest(self, source: Path, **options: Any) -> dict[str, Any]:
        reasons: dict[str, str] = {}
        job = JobContext(lambda *_: None, reasons.__setitem__, threading.Event())
        request = {"source": str(source), "build": False, **options}
        return self.workshop.ingest(request, job) | {"reasons": reasons}

    def sync(self, source: Path, **options: Any) -> dict[str, Any]:
        return self.ingest(source, sync=True, force=True, **options)

    def all(self) -> dict[str, tuple[list[str], list[str]]]:
        """Uris and tags of every image that can be searched."""
        with self.images.view() as view:
            return {item.id: (item.uris, item.tags) for item in view.items("m")}

    def check(self) -> None:
        """The snapshot has what the catalogue has, and the deleted are gone from both."""
        dead = set(self.publisher.tombstones.read().tolist())
        assert dead.isdisjoint(self.images.all_ordinals())
        current = self.publisher.current()
        live = self.publisher.segments.live(current, self.publisher.tombstones.read())
        assert live == self.images.count() == len(self.all())


@contextmanager
def collection(at: Path) -> Iterator[Collection]:
    at.mkdir()
    found = Collection(at)
    yield found
    found.database.close()


PATHS = st.sampled_from([f"{d}{n}.png" for d in ("", "dog/", "Cat/", "dog/cat/") for n in "abc"])
CONTENTS = st.sampled_from([b"one", b"two", b"three", b"seven", b"eleven"])
CHANGES = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENTS),
    st.tuples(st.just("delete"), PATHS),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("copy"), PATHS, PATHS),
    st.tuples(st.just("swap"), PATHS, PATHS),
    st.tuples(st.just("touch"), PATHS),
    st.tuples(st.just("rename folder"), st.sampled_from(["dog", "Cat"])),
)


def change(root: Path, kind: str, first: str, second: Any = None) -> None:
    path = root / first
    if kind == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(second)
    elif not path.exists():
        return
    elif kind == "delete":
        path.unlink()
    elif kind == "touch":
        os.utime(path)
    elif kind == "rename folder":
        other = root / {"dog": "Cat", "Cat": "dog"}[first]
        if not other.exists():
            path.rename(other)
    else:
        other = root / second
        other.parent.mkdir(parents=True, exist_ok=True)
        if kind == "copy" and other != path:
            shutil.copy2(path, other)
        elif kind == "move" or not other.exists():
            path.rename(other)
        else:
            (held := root / ".held").hardlink_to(path)
            other.replace(path)
            held.replace(other)


def contents(root: Path) -> Counter[str]:
    return Counter(content_id(path.read_bytes()) for path in root.rglob("*.png"))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=st.lists(st.lists(CHANGES, min_size=1, max_size=12), min_size=2, max_size=4))
def test_after_any_changes_the_collection_is_what_a_fresh_ingest_gives(rounds):
    with TemporaryDirectory() as made, collection(Path(made, "followed")) as followed:
        root = Path(made, "source")
        (root / "always").mkdir(parents=True)
        (root / "always" / "here.png").write_bytes(b"always")
        for number, changes in enumerate(rounds):
            for one in changes:
                change(root, *one)
            before = set(followed.all())
            result = followed.sync(root)
            assert result["embedded"] == len(contents(root).keys() - before)
            again = followed.sync(root)
            assert (again["embedded"], again["unchanged"]) == (0, contents(root).total())
            followed.check()
            with collection(Path(made, f"fresh{number}")) as fresh:
                fresh.ingest(root)
                assert followed.all() == fresh.all()
