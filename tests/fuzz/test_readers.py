"""A damaged file is read, or refused in words; nothing is ever unpickled."""

import gzip
import io
import pickle
import shutil
import sqlite3
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from gensim.models import KeyedVectors, Word2Vec

from services.embedder.backbones.weights import read_weights
from services.embedder.matching.network import MatchingNetwork
from services.embedder.matching.store import Matcher, read_matcher
from services.embedder.matching.training_set import read_training_set
from services.embedder.words.vectors import load_words
from services.indexer.catalog.database import Database
from services.indexer.sources.source import Source, read_source
from services.indexer.storage.feature_store import FeatureStore, opened
from services.indexer.transfer.npy_stream import NpyFile
from services.indexer.transfer.records import BadRecord, read_ids, read_records
from shared.contracts.features import ExportedRecord
from shared.core.errors import Corrupt, InvalidInput, ISEError, Misconfigured
from shared.engines.ivf.reader import Postings
from shared.snapshots.items import Item, ItemsFile, write_items
from shared.snapshots.manifest import Manifest
from shared.snapshots.store import SnapshotStore
from shared.snapshots.tag_vectors import read_tag_vectors, write_tag_vectors
from tests.fuzz.mutation import mutants
from tests.shared.indexes import clustered, index_of

COUNT = 120
TABLE = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
RECORD = b'{"id": "a", "tags": ["cat"], "uris": ["a.jpg"], "metadata": {"n": 1}}\n'

Read = Callable[[Path], object]


def npy(array: np.ndarray[Any, Any] = TABLE) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def words(folder: Path) -> KeyedVectors:
    keyed = KeyedVectors(8)
    keyed.add_vectors([f"word{n}" for n in range(20)], TABLE)
    return keyed


def word2vec(binary: bool) -> Callable[[Path], None]:
    return lambda path: words(path).save_word2vec_format(str(path), binary=binary)


def glove(path: Path) -> None:
    rows = [f"w{n} " + " ".join(map(str, row)) for n, row in enumerate(TABLE.tolist())]
    path.write_text("\n".join(rows) + "\n")


def postings(path: Path) -> None:
    index_of(path.parent / "index", clustered(60, 8), 4, "l2")
    shutil.move(path.parent / "index" / "0.hdf5", path)


def items(path: Path) -> None:
    write_items(path, [Item(n, f"id{n}", ["cat"], [f"{n}.jpg"], {"n": n}) for n in range(9)])


def network(path: Path) -> None:
    path.write_bytes(Matcher(MatchingNetwork(8, 8, 16).eval(), "images", "words").to_bytes())


def training_set(path: Path) -> None:
    path.write_bytes(npy())
    listed = '{"fingerprint": "f", "terms": ["cat"], "image_terms": [' + "[0]," * 19 + "[0]]}"
    path.with_name("tags.json").write_text(listed)


def manifest(path: Path) -> None:
    made = Manifest(number=1, created_at="now", reason="build", revision=1, images=0)
    path.write_text(made.model_dump_json())


def read_manifest(path: Path) -> object:
    store = SnapshotStore(path.parent)
    store.path(1).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, store.path(1))
    return store.read(1)


def catalogue(path: Path) -> None:
    Database(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


def read_catalogue(path: Path) -> None:
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    Database(f"sqlite:///{path}").close()


def canary(path: Path) -> object:
    store = FeatureStore(path.parent)
    (store.folder / "model").mkdir(parents=True, exist_ok=True)
    shutil.copy(path, store.folder / "model" / "canary.npy")
    return store.canary("model")


def usable(source: Source) -> Source:
    """Raise the error of the first row that can't be used."""
    for file in source:
        if file.error is not None:
            raise InvalidInput(file.error)
    return source


def taken(records: Iterable[object]) -> list[object]:
    """Records, as a call takes them that refuses all where one is bad."""
    found = []
    for record in records:
        if isinstance(record, BadRecord):
            raise record.error()
        found.append(record)
    return found


def read_items(path: Path) -> None:
    found = ItemsFile(path)
    for row in range(len(found.ordinals)):
        found.item(row)


def vectors_of(path: Path) -> list[Any]:
    return list(NpyFile(io.BytesIO(path.read_bytes()), path.stat().st_size, "f.npy").blocks(7))


FORMATS: dict[str, tuple[bytes | Callable[[Path], None], Read, type[ISEError]]] = {
    "vectors.npy": (npy(), vectors_of, InvalidInput),
    "shard.npy": (npy(), opened, Corrupt),
    "canary.npy": (npy(TABLE[0]), canary, Corrupt),
    "features.npy": (training_set, lambda path: read_training_set(path.parent), ISEError),
    "ids.txt": (
        b"a\nb\nc/d\n",
        lambda p: taken(read_ids(io.BytesIO(p.read_bytes()), "i")),
        InvalidInput,
    ),
    "records.jsonl": (
        RECORD * 5,
        lambda path: taken(read_records(io.BytesIO(path.read_bytes()), "r.jsonl", ExportedRecord)),
        InvalidInput,
    ),
    "source.jsonl": (
        b'{"path": "a.jpg", "tags": "cat"}\n' * 4,
        lambda path: usable(read_source(path, None)),
        InvalidInput,
    ),
    "source.csv": (
        b"path,tags\na.jpg,cat;dog\n" * 4,
        lambda path: usable(read_source(path, None)),
        InvalidInput,
    ),
    "weights.safetensors": (
        safetensors.numpy.save({"a": TABLE, "b": TABLE[0]}),
        lambda path: read_weights(str(path)),
        Misconfigured,
    ),
    "network.safetensors": (network, read_matcher, Corrupt),
    "words.bin": (word2vec(binary=True), lambda path: load_words(str(path)), Misconfigured),
    "words.txt": (word2vec(binary=False), lambda path: load_words(str(path)), Misconfigured),
    "glove.txt": (glove, lambda path: load_words(str(path)), Misconfigured),
    "postings.hdf5": (postings, Postings, Corrupt),
    "items.hdf5": (items, read_items, Corrupt),
    "tags.hdf5": (
        lambda path: write_tag_vectors(path, {"cat": TABLE[0], "dog": TABLE[1]}),
        read_tag_vectors,
        Corrupt,
    ),
    # A format with a higher number isn't damage: a newer program wrote it.
    "manifest.json": (manifest, read_manifest, ISEError),
    "catalog.sqlite": (catalogue, read_catalogue, Misconfigured),
}


def made(name: str, folder: Path) -> Path:
    path = folder / name
    content = FORMATS[name][0]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_or_refused_in_words(name: str, tmp_path: Path) -> None:
    path = made(name, tmp_path)
    _, read, error = FORMATS[name]
    read(path)
    intact = path.read_bytes()
    refusals = []
    for number, data in enumerate(mutants(intact, COUNT, seed=1)):
        path.write_bytes(data)
        try:
            read(path)
        except error as refusal:
            refusals.append(refusal.detail)
        except Exception as other:
            other.add_note(f"mutant {number} of {name}: {data[:300]!r}")
            raise
    assert refusals
    assert all(refusals)


class Canary:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["pickle", "zip", "npy", "npz", "gz", "torch"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_pickle_in_the_place_of_any_file_is_never_loaded(
    name: str, way: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    path = made(name, tmp_path)
    path.write_bytes(pickled(way, Canary(trace)))
    with pytest.raises(FORMATS[name][2]):
        FORMATS[name][1](path)
    assert not trace.exists()
    if way != "gz":
        unpickle(way, path)
        assert trace.exists()


def pickled(way: str, canary: Canary) -> bytes:
    """A file that runs code in whoever loads it that way."""
    out = io.BytesIO()
    array = np.array([canary], object)
    if way == "npy":
        np.save(out, array, allow_pickle=True)
    elif way == "npz":
        np.savez(out, a=array)
    elif way == "torch":
        torch.save(canary, out)
    elif way == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("data.pkl", pickle.dumps(canary))
    else:
        plain = pickle.dumps(canary)
        out.write(gzip.compress(plain) if way == "gz" else plain)
    return out.getvalue()


def unpickle(way: str, path: Path) -> None:
    """Shows that the file would have run code."""
    if way in ("npy", "npz"):
        found = np.load(path, allow_pickle=True)
        if way == "npz":
            found["a"]
            found.close()
    elif way == "torch":
        torch.load(io.BytesIO(path.read_bytes()), weights_only=False)
    elif way == "zip":
        with zipfile.ZipFile(path) as archive:
            pickle.loads(archive.read("data.pkl"))  # noqa: S301
    else:
        pickle.loads(path.read_bytes())  # noqa: S301


@pytest.mark.parametrize("name", ["words.kv", "words.model", "words.txt", "words.bin"])
def test_what_gensim_saves_itself_is_a_pickle_and_refused_with_a_way_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    (Word2Vec([["cat", "dog"]], min_count=1) if "model" in name else words(path)).save(str(path))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "load", never)
    monkeypatch.setattr(pickle, "loads", never)
    monkeypatch.setattr(pickle, "Unpickler", never)
    with pytest.raises(Misconfigured, match="is a pickle, which can run code, and isn't loaded"):
        load_words(str(path))


HUGE = 2**60


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "vectors.npy",
        "shard.npy",
        "canary.npy",
        "features.npy",
        "words.bin",
        "words.txt",
        "weights.safetensors",
        "network.safetensors",
    ],
)
def test_a_header_that_announces_more_than_there_is_takes_no_memory(
    name: str, tmp_path: Path
) -> None:
    path = made(name, tmp_path)
    data = path.read_bytes()
    if name.endswith(".npy"):
        shape = b"(20, 8)" if name != "canary.npy" else b"(8,)"
        huge = b"(%d,)" % HUGE if name == "canary.npy" else b"(%d, 8)" % HUGE
        begin, end = data.split(shape, 1)
        data = begin + huge + end[len(huge) - len(shape) :]
    elif name.startswith("words"):
        data = data.replace(b"20 8", b"%d 8" % HUGE, 1)
    else:
        data = HUGE.to_bytes(8, "little") + data[8:]
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(FORMATS[name][2]):
            FORMATS[name][1](path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
