"""The indexer's side of the embedder: features of many files, and why some have none."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from services.indexer.embedding.canaries import Canaries
from services.indexer.embedding.embedded import Embedded, EmbeddedSpace
from services.indexer.embedding.registry import Embedders
from shared.clients import embedder
from shared.clients.transport import Call, T
from shared.contracts.embedder import ImageSpace, Models
from shared.core import deadline
from shared.core.errors import (
    BadImage,
    Conflict,
    Corrupt,
    FingerprintMismatch,
    InvalidInput,
    ISEError,
    NotFound,
    Overloaded,
    TooLarge,
    Unavailable,
)
from shared.labels.head import LabelHead
from shared.models import canary

log = logging.getLogger(__name__)

_MAX_WAIT_S = 15.0
# A busy embedder does answer, so a job waits longer for it: several workers may fill its queue.
_BUSY_WAIT_S = 2.0
_BUSY_TRIES = 20
# Tries of a job: an embedder that was restarted first loads its models.
_AWAY_TRIES = 3


@dataclass(frozen=True)
class ModelPair:
    """Fingerprints of the two backbones, which are equal if one serves both searches.

    `instance`: the embedder's process that told them. `joint`: the joint space that comes with the
    matching one, where nothing is to be trained. `labels`: digest of the named classes of the
    matching one, which a joint space can begin from.
    """

    visual: str
    matching: str
    instance: str = field(default="", compare=False)
    joint: str | None = field(default=None, compare=False)
    labels: str | None = field(default=None, compare=False)

    @property
    def all(self) -> set[str]:
        return {self.visual, self.matching}


class Embedding:
    """Client of the embedders; one that is busy or restarting is tried again, up to `attempts`
    times.

    Of several embedders, the one that hosts the model is used. `indexed`: fingerprint of the
    index's features.
    """

    def __init__(
        self,
        embedders: Embedders,
        canaries: Canaries,
        attempts: int,
        wait: Callable[[float], None] = time.sleep,
        indexed: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.canaries = canaries
        self._embedders = embedders
        self._attempts = attempts
        self._wait = wait
        self._indexed = indexed

    def models(self, bulk: bool = False) -> Models:
        """Return the models of the embedder that fits the index, or else of the first."""
        return self._patiently(
            lambda: self._embedders.hosting(visual=self._indexed()).send(embedder.list_models()),
            bulk,
        )

    def pair(self, bulk: bool = False) -> ModelPair:
        """Return the models in use. `bulk`: a job asks, which waits while they are loaded."""
        return _pair(self.models(bulk))

    def decoding(self) -> str:
        """Return what decides which pictures can be decoded; "" where no embedder tells."""
        try:
            return self.models(bulk=True).decoding
        except Unavailable:
            return ""

    def other_pair(self, url: str | None, profile: str | None = None) -> ModelPair:
        """Return the models of a profile, of the embedder at `url`, or of the one that differs.

        Raises InvalidInput if there are none, or several.
        """
        if profile is not None:
            # The embedder loads them at the first call, and says so.
            return _pair(self._patiently(lambda: self._embedders.of_profile(profile), bulk=True))
        return self._patiently(lambda: self._other_pair(url))

    def _other_pair(self, url: str | None) -> ModelPair:
        found: list[ModelPair] = []
        for client, models in self._embedders.models():
            if url is not None and client.base_url != url.rstrip("/"):
                continue
            if not isinstance(models, Models):
                raise models
            if url is not None or models.visual.fingerprint != self._indexed():
                found.append(_pair(models))
        if len(found) == 1:
            return found[0]
        if url is not None:
            raise InvalidInput(
                f"{url} is not in ISE_EMBEDDER_URL. Add it there, beside the current "
                "embedder, for the indexer and the query service."
            )
        if found:
            raise InvalidInput(
                "Several embedders have another model than the index; say which: --embedder URL."
            )
        raise InvalidInput(
            "Every embedder has the same model as the index. Start one with another "
            "model, and name both in ISE_EMBEDDER_URL, comma-separated."
        )

    def images(self, files: Sequence[bytes], pair: ModelPair, bulk: bool = False) -> list[Embedded]:
        """Return the features of each file, in order. `bulk`: searches go first.

        Raises FingerprintMismatch, Unavailable, and ModelDrift if the process that answers has
        other features of the built-in picture than the stored ones.
        """
        found = self._space(files, ImageSpace.VISUAL, pair.visual, bulk)
        features = [{pair.visual: row} for row in found.rows]
        errors = found.errors
        good = [i for i in range(len(files)) if i not in errors]
        if pair.matching != pair.visual and good:
            other = self._space([files[i] for i in good], ImageSpace.MATCHING, pair.matching, bulk)
            errors |= {good[i]: reason for i, reason in other.errors.items()}
            found.passing |= {good[i] for i in other.passing}
            for i, row in zip(good, other.rows, strict=True):
                features[i][pair.matching] = row
        return [
            Embedded({}, errors[i], is_passing=i in found.passing)
            if i in errors
            else Embedded(features[i], note=found.notes.get(i), colors=found.colors.get(i))
            for i in range(len(files))
        ]

    def label_head(self, fingerprint: str) -> LabelHead:
        """The classifier over named classes of a model. Raises NotFound where it has none."""
        # Where a profile has it, that is among the embedders that are asked.
        self._patiently(lambda: self._embedders.hosting(visual=fingerprint))
        return self._ask_all(embedder.label_head(fingerprint))

    def project(
        self, features: NDArray[np.float32], fingerprint: str, network: str, block: int = 8192
    ) -> NDArray[np.float32]:
        """Joint vectors of matching features, (n, dim) float32 -> (n, 128) float32."""
        parts = [
            self._ask(
                embedder.project(features[start : start + block], fingerprint, network),
                matching=fingerprint,
            ).vectors
            for start in range(0, len(features), block)
        ]
        return np.concatenate(parts)

    def terms(
        self, terms: Sequence[str], fingerprint: str, network: str, block: int = 2048
    ) -> list[NDArray[np.float32] | None]:
        """Return the joint vector of each term, or None for one that word2vec lacks.

        fingerprint: of the matching model that the network is made for.
        """
        found: list[NDArray[np.float32] | None] = []
        for start in range(0, len(terms), block):
            batch = terms[start : start + block]
            call = embedder.embed_terms(batch, network=network, allow_unknown=True)
            rows = self._ask(call, matching=fingerprint).vectors
            found.extend(row if np.isfinite(row).all() else None for row in rows)
        return found

    def has_network(self, network: str, fingerprint: str) -> bool:
        """Return whether a matching network is there, whole, and made for the words and these
        features.
        """
        call = embedder.embed_terms(["any"], network=network, allow_unknown=True)
        try:
            self._ask(call, matching=fingerprint)
        except (NotFound, Conflict, Corrupt):
            return False
        return True

    def _space(
        self, files: Sequence[bytes], space: ImageSpace, fingerprint: str, bulk: bool
    ) -> EmbeddedSpace:
        found = EmbeddedSpace([np.empty(0, np.float32)] * len(files))
        errors = found.errors
        left = list(range(len(files)))
        while left:
            try:
                answer = self._rows([files[i] for i in left], space, fingerprint, bulk)
            except BadImage as refused:
                bad = {
                    left[item["index"]]: item["error"] for item in refused.extra.get("items", [])
                }
                if not bad:
                    raise
                found.passing |= {
                    left[item["index"]] for item in refused.extra["items"] if item.get("is_passing")
                }
                errors.update(bad)
                left = [i for i in left if i not in bad]
                continue
            except TooLarge as refused:
                if len(left) == 1:
                    errors[left[0]] = refused.detail
                    found.passing.add(left[0])
                    break
                # Together they exceed the size of one request.
                for part in (left[: len(left) // 2], left[len(left) // 2 :]):
                    halves = self._space([files[i] for i in part], space, fingerprint, bulk)
                    found.put(part, halves)
                break
            colors = dict(enumerate(answer.colors or ()))
            found.put(
                left, EmbeddedSpace(list(answer.vectors), notes=dict(answer.notes), colors=colors)
            )
            break
        return found

    def _rows(
        self, files: Sequence[bytes], space: ImageSpace, fingerprint: str, bulk: bool
    ) -> embedder.Rows:
        """Features by a process that was compared. Raises BadImage, TooLarge, and as `images`."""
        answer = self._answer(files, space, fingerprint, bulk)
        if self.canaries.has_passed(answer.instance, fingerprint):
            return answer
        # In one request, because several processes may share one address.
        try:
            both = self._answer([*files, canary.picture()], space, fingerprint, bulk)
        except TooLarge:
            if len(files) > 1:
                raise
            # The canary doesn't fit beside the picture, so check processes one by one until it is
            # this one's turn.
            alone = self._answer([canary.picture()], space, fingerprint, bulk)
            self.canaries.compare(alone.instance, fingerprint, alone.vectors[0])
            return self._rows(files, space, fingerprint, bulk)
        self.canaries.compare(both.instance, fingerprint, both.vectors[-1])
        colors = None if both.colors is None else both.colors[:-1]
        return replace(both, vectors=both.vectors[:-1], colors=colors)

    def _answer(
        self, files: Sequence[bytes], space: ImageSpace, fingerprint: str, bulk: bool
    ) -> embedder.Rows:
        colors = space is ImageSpace.VISUAL
        call = embedder.embed_images(files, space, bulk=bulk, colors=colors)
        answer = self._ask(call, bulk, **{space.value: fingerprint})
        if answer.fingerprint != fingerprint:
            raise FingerprintMismatch(
                f"The embedder answered with {answer.fingerprint}, and with {fingerprint} "
                "before. Replicas of one embedder must have the same weights; if it was "
                "restarted with other weights, start the job again."
            )
        if len(answer.vectors) != len(files):
            raise ISEError(
                f"The embedder answered {len(answer.vectors)} rows for {len(files)} images."
            )
        return answer

    def _ask(
        self,
        call: Call[T],
        bulk: bool = False,
        visual: str | None = None,
        matching: str | None = None,
    ) -> T:
        """Asks the embedder with that model."""
        return self._patiently(lambda: self._embedders.hosting(visual, matching).send(call), bulk)

    def _ask_all(self, call: Call[T]) -> T:
        """Asks the embedders one after the other; the first that can answers."""

        def ask() -> T:
            refused: Conflict | NotFound | None = None
            for client in self._embedders.in_use():
                try:
                    return client.send(call)
                except (Conflict, NotFound) as error:
                    refused = refused or error
            raise refused or Unavailable("There is no embedder.")

        return self._patiently(ask)

    def _patiently(self, ask: Callable[[], T], bulk: bool = False) -> T:
        pause, failures, busy = 0.25, 0, 0
        while True:
            try:
                return ask()
            except (Overloaded, Unavailable) as error:
                is_queue = bulk and isinstance(error, Overloaded)
                busy, failures = busy + is_queue, failures + (not is_queue)
                tries = self._attempts * (_AWAY_TRIES if bulk else 1)
                given_up = failures >= tries or busy >= self._attempts * _BUSY_TRIES
                if given_up or deadline.remaining() == 0:
                    raise
                log.log(
                    logging.INFO if is_queue else logging.WARNING,
                    "embedder: %s Trying again in %.2g s.",
                    error.detail,
                    pause,
                )
                # A random delay, so that many clients of a restarted embedder don't return at the
                # same moment.
                self._wait(random.uniform(pause / 2, pause))  # noqa: S311
                pause = min(2 * pause, _BUSY_WAIT_S if is_queue else _MAX_WAIT_S)


def _pair(models: Models) -> ModelPair:
    return ModelPair(
        models.visual.fingerprint,
        models.matching.fingerprint,
        models.instance,
        models.joint,
        models.matching.labels if models.joint is None else None,
    )
