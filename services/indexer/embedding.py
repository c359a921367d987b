"""The indexer's side of the embedder: features of many files, and why some have none."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.clients import embedder
from shared.clients.transport import Call, Client, T
from shared.contracts.embedder import ImageSpace, Models
from shared.errors import (
    BadImage,
    Conflict,
    Corrupt,
    FingerprintMismatch,
    ISEError,
    NotFound,
    Overloaded,
    TooLarge,
    Unavailable,
)

log = logging.getLogger(__name__)

_MAX_WAIT_S = 15.0


@dataclass(frozen=True)
class ModelPair:
    """Fingerprints of the two backbones. They're equal where one serves both searches."""

    visual: str
    matching: str

    @property
    def all(self) -> set[str]:
        return {self.visual, self.matching}


@dataclass(frozen=True)
class Embedded:
    """One file's features by fingerprint, or why there are none."""

    features: dict[str, NDArray[np.float32]]
    error: str | None = None


class Embedding:
    """Asks the embedder; one that is busy or restarting is asked again, up to `attempts` times."""

    def __init__(
        self,
        client: Client,
        attempts: int,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._wait = wait

    def models(self) -> Models:
        return self._patiently(embedder.models())

    def pair(self) -> ModelPair:
        hosted = self.models()
        return ModelPair(hosted.visual.fingerprint, hosted.matching.fingerprint)

    def images(self, files: Sequence[bytes], pair: ModelPair, bulk: bool = False) -> list[Embedded]:
        """The features of each file, in order. `bulk`: nobody waits; searches go first.

        Raises FingerprintMismatch, Unavailable.
        """
        found, errors = self._space(files, ImageSpace.VISUAL, pair.visual, bulk)
        features = [{pair.visual: row} for row in found]
        good = [i for i in range(len(files)) if i not in errors]
        if pair.matching != pair.visual and good:
            rows, failed = self._space(
                [files[i] for i in good], ImageSpace.MATCHING, pair.matching, bulk
            )
            errors |= {good[i]: reason for i, reason in failed.items()}
            for i, row in zip(good, rows, strict=True):
                features[i][pair.matching] = row
        return [
            Embedded({}, errors[i]) if i in errors else Embedded(features[i])
            for i in range(len(files))
        ]

    def project(
        self, features: NDArray[np.float32], fingerprint: str, network: str, block: int = 8192
    ) -> NDArray[np.float32]:
        """Joint vectors of matching features, (n, dim) float32 -> (n, 128) float32."""
        parts = [
            self._patiently(
                embedder.project(features[start : start + block], fingerprint, network)
            ).vectors
            for start in range(0, len(features), block)
        ]
        return np.concatenate(parts)

    def terms(
        self, terms: Sequence[str], network: str, block: int = 2048
    ) -> list[NDArray[np.float32] | None]:
        """The joint vector of each term, or None where word2vec lacks it."""
        found: list[NDArray[np.float32] | None] = []
        for start in range(0, len(terms), block):
            some = terms[start : start + block]
            rows = self._patiently(
                embedder.embed_terms(some, network=network, allow_unknown=True)
            ).vectors
            found.extend(row if np.isfinite(row).all() else None for row in rows)
        return found

    def has_network(self, network: str) -> bool:
        """Whether a matching network is there, whole, and made for the models that are hosted."""
        try:
            self._patiently(embedder.embed_terms(["any"], network=network, allow_unknown=True))
        except (NotFound, Conflict, Corrupt):
            return False
        return True

    def _space(
        self, files: Sequence[bytes], space: ImageSpace, fingerprint: str, bulk: bool
    ) -> tuple[list[NDArray[np.float32]], dict[int, str]]:
        """Rows in order (of zero length where a file failed), and the reasons by index."""
        errors: dict[int, str] = {}
        rows: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(files)
        left = list(range(len(files)))
        while left:
            try:
                answer = self._patiently(
                    embedder.embed_images([files[i] for i in left], space, bulk=bulk)
                )
            except BadImage as refused:
                bad = {
                    left[item["index"]]: item["error"] for item in refused.extra.get("items", [])
                }
                if not bad:
                    raise
                errors |= bad
                left = [i for i in left if i not in bad]
                continue
            except TooLarge as refused:
                if len(left) == 1:
                    errors[left[0]] = refused.detail
                    break
                # Together they are more than one call may carry.
                for part in (left[: len(left) // 2], left[len(left) // 2 :]):
                    found, failed = self._space([files[i] for i in part], space, fingerprint, bulk)
                    errors |= {part[at]: reason for at, reason in failed.items()}
                    for i, row in zip(part, found, strict=True):
                        rows[i] = row
                break
            if answer.fingerprint != fingerprint:
                raise FingerprintMismatch(
                    f"The embedder changed its model from {fingerprint} to {answer.fingerprint} "
                    "meanwhile. Start again."
                )
            if len(answer.vectors) != len(left):
                raise ISEError(
                    f"The embedder answered {len(answer.vectors)} rows for {len(left)} images."
                )
            for i, row in zip(left, answer.vectors, strict=True):
                rows[i] = row
            break
        return rows, errors

    def _patiently(self, call: Call[T]) -> T:
        pause = 0.25
        for attempt in range(1, self._attempts + 1):
            try:
                return self._client.send(call)
            except (Overloaded, Unavailable) as error:
                if attempt == self._attempts:
                    raise
                log.warning("embedder: %s Trying again in %.2g s.", error.detail, pause)
                self._wait(pause)
                pause = min(2 * pause, _MAX_WAIT_S)
        raise AssertionError("unreachable")
