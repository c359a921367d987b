"""Matching networks on the data volume: `<data>/networks/<fingerprint>/network.safetensors`.

The indexer writes there; the embedder only reads, or has copies of its own (`download.py`).
`<data>/networks/CURRENT` contains the fingerprint of the default network.
"""

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from cachetools import LRUCache
from torch import Tensor

from services.embedder.fingerprint import short_digest, tensors_digest
from services.embedder.matching.combined import CombinedNetwork
from services.embedder.matching.download import Download
from services.embedder.matching.label_map import LabelMap
from services.embedder.matching.network import MatchingNetwork
from services.embedder.words.meanings import Meanings
from shared.core.errors import Conflict, Corrupt, FingerprintMismatch, InvalidInput, NotFound
from shared.files import sums

FILE = "network.safetensors"
CURRENT = "CURRENT"
_DIMS = ("image_dim", "word_dim", "hidden", "joint_dim")
_ANCHORS = "anchors"
_DIRECT = "direct"
_LABELS = "labels"
"""In the header of networks that have a linear map; the first ones had none."""
_WAY_OUT = "`ise build` trains one for the present models where images have tags."


@dataclass(frozen=True)
class Matcher:
    """A network, and the fingerprints of the models whose features it was trained on."""

    network: MatchingNetwork | CombinedNetwork
    image_fingerprint: str
    words_fingerprint: str
    labels: str | None = None
    """Digest of the classes that it begins from, of `Meanings`; None: from none."""

    @property
    def fingerprint(self) -> str:
        """`match-<16 hex digits>` over the weights and both inputs."""
        described = {
            "weights": tensors_digest(self.network.state_dict()),
            "image": self.image_fingerprint,
            "words": self.words_fingerprint,
        }
        described |= {} if self.labels is None else {"labels": self.labels}
        return f"match-{short_digest(described)}"

    def to_bytes(self) -> bytes:
        """The safetensors file; what it is of goes into the header."""
        network = self.network
        trained = network.trained if isinstance(network, CombinedNetwork) else network
        described = {name: str(getattr(network, name)) for name in ("image_dim", "joint_dim")}
        if trained is not None:
            described |= {name: str(getattr(trained, name)) for name in _DIMS}
            described |= {_DIRECT: "yes"} if trained.has_direct else {}
        described |= {"image": self.image_fingerprint, "words": self.words_fingerprint}
        described |= {} if self.labels is None else {_LABELS: self.labels}
        tensors = {k: v.detach().contiguous() for k, v in self.network.state_dict().items()}
        return safetensors.torch.save(tensors, metadata=described)


def read_matcher(path: Path, meanings: Meanings | None = None) -> Matcher:
    """Reads a network's file. Raises Corrupt, and FingerprintMismatch where it begins from other
    classes than the hosted ones.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            described = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        labels = described.get(_LABELS)
        network: MatchingNetwork | CombinedNetwork
        if labels is None:
            network = _trained(described, tensors)
        elif meanings is None or labels != meanings.digest:
            hosted = meanings.digest if meanings is not None else "no classes"
            raise FingerprintMismatch(
                f"The matching network {path.parent.name} begins from the classes {labels}, but "
                f"the embedder hosts {hosted}. Restore the former model, or run `ise build`.",
                network=labels,
                hosted=hosted,
            )
        else:
            network = _combined(described, tensors, meanings)
        network.eval().requires_grad_(False)
        return Matcher(network, described["image"], described["words"], labels)
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise Corrupt(f"The matching network {path} can't be read ({error}).") from error


def _trained(described: Mapping[str, str], tensors: Mapping[str, Tensor]) -> MatchingNetwork:
    dims = {name: int(described[name]) for name in _DIMS}
    anchors = len(tensors[_ANCHORS]) if _ANCHORS in tensors else 0
    network = MatchingNetwork(**dims, has_direct=_DIRECT in described, anchors=anchors)
    network.load_state_dict(tensors)
    return network


def _combined(
    described: Mapping[str, str], tensors: Mapping[str, Tensor], meanings: Meanings
) -> CombinedNetwork:
    prefix = "trained."
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    trained = _trained(described, own) if own else None
    labels = LabelMap.read(
        meanings.head,
        {k.removeprefix("labels."): v for k, v in tensors.items() if k.startswith("labels.")},
    )
    return CombinedNetwork(labels, trained, meanings.words.dim)


def _trained_on(path: Path) -> tuple[str, str] | None:
    """Return the fingerprints of a network's image features and words; None if it can't be read."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            described = file.metadata() or {}
    except (safetensors.SafetensorError, OSError):
        return None
    return described.get("image", ""), described.get("words", "")


class NetworkStore:
    """The networks of a folder, a few of them in memory. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        image_fingerprint: str,
        words_fingerprint: str,
        capacity: int = 4,
        download: Download | None = None,
        meanings: Meanings | None = None,
    ) -> None:
        """`download`: where a network comes from that isn't in the folder.

        meanings: of the hosted words and classes, for networks that begin from labels.
        """
        self._meanings = meanings
        self._folder = folder
        self._download = download
        self._image_fingerprint = image_fingerprint
        self._words_fingerprint = words_fingerprint
        self._loaded: LRUCache[str, Matcher] = LRUCache(capacity)
        self._lock = threading.Lock()

    def fingerprints(self) -> list[str]:
        """Return the networks on disk that belong to the hosted models, in order of name."""
        hosted = (self._image_fingerprint, self._words_fingerprint)
        files = sorted(self._folder.glob(f"*/{FILE}"))
        return [path.parent.name for path in files if _trained_on(path) == hosted]

    def get(self, fingerprint: str | None = None) -> Matcher:
        """Return the network with that fingerprint, or the current one.

        Raises Conflict if there is no current one, NotFound, FingerprintMismatch if it belongs to
        other models than those hosted, and Corrupt.
        """
        name = self._current() if fingerprint is None else safe_name(fingerprint)
        if self._download is not None and name not in self._loaded:
            # Outside the lock, so that requests for other networks don't wait for this download.
            with suppress(FileNotFoundError):
                self._download.fetch(name, FILE, self._folder / name)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._read(name)
            return self._loaded[name]

    def _current(self) -> str:
        try:
            text = (
                self._download.current(CURRENT)
                if self._download is not None
                else (self._folder / CURRENT).read_text(encoding="utf-8")
            )
            return safe_name(text.strip())
        except FileNotFoundError as error:
            raise Conflict(f"There is no matching network yet. {_WAY_OUT}") from error

    def _read(self, name: str) -> Matcher:
        path = self._folder / name / FILE
        if not path.is_file():
            raise NotFound(f"There is no matching network {name}. {_WAY_OUT}")
        sums.check(path)
        matcher = read_matcher(path, self._meanings)
        self._check(
            name,
            "image features",
            matcher.image_fingerprint,
            self._image_fingerprint,
            "or run `ise build`, which re-embeds every image and trains another network",
        )
        self._check(
            name,
            "word vectors",
            matcher.words_fingerprint,
            self._words_fingerprint,
            "or train another network: `ise train-matching`",
        )
        if matcher.fingerprint != name:
            raise Corrupt(f"The network in {path} is {matcher.fingerprint}; restore or retrain it.")
        return matcher

    @staticmethod
    def _check(name: str, what: str, trained_on: str, hosted: str, way_out: str) -> None:
        if trained_on != hosted:
            raise FingerprintMismatch(
                f"The matching network {name} was trained on the {what} of {trained_on}, "
                f"but the embedder hosts {hosted}. Restore the former model, {way_out}.",
                network=trained_on,
                hosted=hosted,
            )


def safe_name(name: str) -> str:
    """Return a safe name of a folder, which can't lead elsewhere. Raises InvalidInput."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", name):
        raise InvalidInput(f"{name[:80]!r} is no name of a network or training set.")
    return name
