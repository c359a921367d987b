"""Networks that an embedder downloads: one that doesn't come holds nobody else up."""

import hashlib
import threading
import time
from pathlib import Path

import pytest
import torch

from services.embedder.matching.download import Download
from services.embedder.matching.network import MatchingNetwork
from services.embedder.matching.store import FILE, Matcher, NetworkStore
from shared.core.errors import Corrupt, NotFound, Unavailable
from shared.files import durable, sums
from shared.objects.address import Address
from shared.objects.file import Stamp
from shared.objects.store import Objects

AT = Address("s3", "bucket/ise")
MODELS = ("image", "words")


class Kept(Objects):
    """Objects in memory; those below `held` come when they're let, `away` says it's no answer."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.reads: list[str] = []
        self.away = False
        self.held = ""
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def read(self, address: Address, start: int | None = None, end: int | None = None) -> bytes:
        key = address.path.removeprefix(f"{AT.path}/")
        self.reads.append(key)
        if self.away:
            raise Unavailable(f"{address} doesn't answer.")
        if self.held and self.held in key:
            self.has_begun.set()
            assert self.may_end.wait(60)
        if key not in self.objects:
            raise FileNotFoundError(2, "there is no such object", key)
        return self.objects[key]

    def look(self, address: Address) -> Stamp:
        return Stamp(0, len(self.read(address)), 0)

    def get(self, address: Address, path: Path) -> None:
        path.write_bytes(self.read(address))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def store(tmp_path: Path, kept: Kept) -> NetworkStore:
    return NetworkStore(tmp_path / "networks", *MODELS, download=Download(kept, AT))


def put(kept: Kept, seed: int) -> str:
    torch.manual_seed(seed)
    matcher = Matcher(MatchingNetwork(8, 8, 8, 4), *MODELS)
    data, name = matcher.to_bytes(), matcher.fingerprint
    kept.objects[f"networks/{name}/{FILE}"] = data
    kept.objects[f"networks/{name}/{FILE}.sha256"] = f"{sum_of(data)}  {FILE}\n".encode()
    return name


def sum_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_one_that_does_not_come_holds_up_no_other(store: NetworkStore, kept: Kept) -> None:
    here, slow, other = (put(kept, seed) for seed in range(3))
    assert store.get(here).fingerprint == here
    kept.held = slow
    waiting = threading.Thread(target=store.get, args=(slow,))
    waiting.start()
    assert kept.has_begun.wait(120)
    assert store.get(here).fingerprint == here
    assert store.get(other).fingerprint == other
    assert waiting.is_alive()
    kept.may_end.set()
    waiting.join(120)
    assert store.get(slow).fingerprint == slow


def test_after_a_failure_all_are_told_at_once(
    store: NetworkStore, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = put(kept, 0)
    kept.away = True
    for _ in range(3):
        with pytest.raises(Unavailable, match="doesn't answer"):
            store.get(name)
    assert len(kept.reads) == 1
    kept.away = False
    monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 3600)
    assert store.get(name).fingerprint == name


def test_the_current_one_is_the_last_known_while_the_store_is_away(
    store: NetworkStore, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = put(kept, 0), put(kept, 1)
    kept.objects["networks/CURRENT"] = first.encode()
    for _ in range(3):
        assert store.get().fingerprint == first
    assert kept.reads.count("networks/CURRENT") == 1
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + 60)
    kept.away = True
    assert store.get().fingerprint == first
    kept.away = False
    kept.objects["networks/CURRENT"] = second.encode()
    monkeypatch.setattr(time, "monotonic", lambda: now() + 3600)
    assert store.get().fingerprint == second


def test_a_network_without_its_sum_is_told_and_one_that_is_nowhere_too(
    store: NetworkStore, kept: Kept
) -> None:
    name = put(kept, 0)
    del kept.objects[f"networks/{name}/{FILE}.sha256"]
    with pytest.raises(Corrupt, match="has no SHA-256 beside it"):
        store.get(name)
    with pytest.raises(NotFound, match="There is no matching network match-0"):
        store.get("match-0")


def test_a_damaged_copy_is_downloaded_once_more_and_temporaries_go(
    store: NetworkStore, kept: Kept, tmp_path: Path
) -> None:
    name = put(kept, 0)
    folder = tmp_path / "networks" / name
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(b"damaged")
    sums.write(folder / FILE, sum_of(kept.objects[f"networks/{name}/{FILE}"]))
    left = folder / f".{FILE}.1{durable.TEMPORARY_SUFFIX}"
    left.touch()
    assert store.get(name).fingerprint == name
    assert not left.exists()
