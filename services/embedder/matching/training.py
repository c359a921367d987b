"""Trains the matching network on images and the terms that they carry."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from services.embedder.matching import regression
from services.embedder.matching.calibrating import first_hits, fitted
from services.embedder.matching.combined import CombinedNetwork
from services.embedder.matching.evaluation import evaluate
from services.embedder.matching.examples import Examples, Floats, gather
from services.embedder.matching.joint_maker import JointMaker
from services.embedder.matching.loss import contrastive_loss
from services.embedder.matching.network import MOST_ANCHORS, MatchingNetwork, keep_share
from services.embedder.matching.packaged_curve import packaged_curves
from services.embedder.matching.training_set import TrainingSet
from services.embedder.words.meanings import Meanings
from services.embedder.words.vectors import Words
from shared.contracts.calibration import Calibration
from shared.contracts.embedder import TrainingReport, TrainingSettings
from shared.core.errors import InvalidInput

_DIVERGED = (
    "The training diverged: its numbers are no longer finite. Give it a lower `learning_rate`, or "
    "a higher `temperature`."
)

IMAGE_DROPOUT, WORD_DROPOUT = 0.5, 0.3
"""Dropout rates of the input features (Srivastava et al. 2014).

They don't affect the accuracy for trained tags, and raise the mAP for untrained ones, which
semantic search depends on, by a third to a half (20 held-out tags of Caltech 101).
"""
# Cross-validation over terms: most folds, withheld terms after which no fold is added, most images
# of a fold, and the fewest terms of which any can be withheld.
_MOST_FOLDS, _WITHHELD, _FOLD_IMAGES, _LEAST_TERMS = 5, 10, 10_000, 8

# A smaller spread, relative to the size of the vectors, is rounding.
_LEAST_SPREAD = 1e-5

Progress = Callable[[int, float], None]
"""Called with the epoch, from 1, and its mean loss so far."""


class TrainingCancelled(Exception):
    """The caller wants no result any more."""


def train(
    training_set: TrainingSet,
    words: Words,
    settings: TrainingSettings,
    *,
    meanings: Meanings | None = None,
    max_images: int = 100_000,
    on_progress: Progress = lambda epoch, loss: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[MatchingNetwork | CombinedNetwork, TrainingReport]:
    """A trained network, in evaluation mode, and how it does on images that it has not seen.

    The same set, settings and thread count give the same network. meanings: of the classes that
    the joint space begins from; then no tag is needed. Raises InvalidInput where nothing can be
    learnt, and TrainingCancelled within a batch of `cancelled()` turning true.
    """
    started = time.perf_counter()
    rng = np.random.default_rng(settings.seed)
    joint = JointMaker.of(training_set.features, words, meanings)
    if meanings is not None and not any(
        words.find(term) is not None for term in training_set.terms
    ):
        return joint.network(None), _untrained(training_set, settings, started, meanings.digest)
    examples, without_word = gather(training_set, words, max_images, rng)
    order = rng.permutation(len(examples))
    held_out_count = int(len(examples) * settings.holdout)
    held_out = examples.take(order[:held_out_count])
    seen = examples.take(order[held_out_count:])

    trained, course = _learned(seen, held_out, settings, rng, on_progress, cancelled)
    network = joint.network(trained)
    judging = joint.judging(held_out) if held_out_count else None
    figures = evaluate(network, *judging) if judging else None
    curves = []
    if judging:
        curves = fitted([first_hits(network, *judging)])
        curves += _of_untrained(seen, held_out, joint, settings, cancelled)
    return network, TrainingReport(
        images=len(seen),
        held_out=held_out_count,
        terms=len(examples.occurring()),
        terms_without_word=without_word,
        epochs=len(course.losses),
        seed=settings.seed,
        train_loss=course.losses[-1],
        held_out_loss=_loss_of(trained, held_out, settings) if held_out_count else None,
        precision_at_1=figures.precision_at_1 if figures else None,
        precision_at_10=figures.precision_at_10 if figures else None,
        mean_average_precision=figures.mean_average_precision if figures else None,
        losses=course.losses,
        seconds=time.perf_counter() - started,
        loss=settings.loss,
        hard_negatives=settings.hard_negatives,
        best_epoch=course.best,
        calibration=curves,
        labels=joint.digest,
    )


def _untrained(
    training_set: TrainingSet, settings: TrainingSettings, started: float, labels: str
) -> TrainingReport:
    """The report of a joint space that had only labels to begin from."""
    return TrainingReport(
        images=len(training_set.features),
        held_out=0,
        terms=0,
        terms_without_word=training_set.terms,
        epochs=0,
        seed=settings.seed,
        train_loss=0.0,
        held_out_loss=None,
        precision_at_1=None,
        precision_at_10=None,
        mean_average_precision=None,
        losses=[],
        seconds=time.perf_counter() - started,
        calibration=packaged_curves(),
        labels=labels,
    )


def _learned(
    seen: Examples,
    held_out: Examples,
    settings: TrainingSettings,
    rng: np.random.Generator,
    on_progress: Progress,
    cancelled: Callable[[], bool],
) -> tuple[MatchingNetwork, "_Course"]:
    network = MatchingNetwork(seen.features.shape[1], seen.words.shape[1], settings.hidden)
    _initialise(network, seen, settings.seed)
    course = _fit(network, seen, held_out, settings, rng, on_progress, cancelled)
    keep_share(network, settings.learnt_share)
    network.eval().requires_grad_(False)
    network.anchor(torch.from_numpy(seen.words[seen.most_frequent(MOST_ANCHORS)]))
    return network, course


def _of_untrained(
    seen: Examples,
    held_out: Examples,
    joint: JointMaker,
    settings: TrainingSettings,
    cancelled: Callable[[], bool],
) -> list[Calibration]:
    """Fit calibrations for terms that no image was trained on; empty if there are few terms.

    Estimated by networks that are each trained without some of the terms and tested on these:
    scores of a network that was trained on them would be too optimistic.
    """
    terms = seen.occurring()
    if len(terms) < _LEAST_TERMS:
        return []
    rng = np.random.default_rng(settings.seed)
    count = max(2, len(terms) // 10)
    folds = min(_MOST_FOLDS, math.ceil(_WITHHELD / count), len(terms) // count)
    withheld = rng.permutation(terms)[: folds * count].reshape(folds, count)
    judging, found = joint.judging(held_out), held_out.occurring()
    hits = []
    for fold in withheld:
        fewer = seen.without(fold)
        fewer = fewer.take(rng.permutation(len(fewer))[:_FOLD_IMAGES])
        asked = np.flatnonzero(np.isin(found, fold))
        if not len(fewer) or not len(asked):
            continue
        try:
            network, _ = _learned(
                fewer, held_out.without(fold), settings, rng, lambda epoch, loss: None, cancelled
            )
        except InvalidInput:
            # A fold that diverges says nothing about the network on all images.
            continue
        images, vectors, carries = judging
        chosen = images, vectors[asked], carries[:, asked]
        hits.append(first_hits(joint.network(network), *chosen))
    return fitted(hits, untrained=True) if hits else []


def _initialise(network: MatchingNetwork, seen: Examples, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        network.image.initialise(generator)
        network.word.initialise(generator)
        network.image.standardise_by(*_mean_and_std(seen))
        network.word.standardise_by(*_centre_and_spread(seen.words[seen.occurring()]))
        regression.start(network, seen)


def _centre_and_spread(words: Floats) -> tuple[Tensor, Tensor]:
    """Return the mean and deviation of the terms' vectors, each (word_dim,).

    All dimensions share one deviation, so that word2vec's distances are unchanged. If all terms
    have the same vector, such as a single term, its direction from the origin distinguishes them
    from other words.
    """
    given = torch.from_numpy(words)
    mean = given.mean(dim=0)
    deviation = (given - mean).square().mean().sqrt()
    if deviation <= _LEAST_SPREAD * given.square().mean().sqrt():
        mean, deviation = torch.zeros_like(mean), given.square().mean().sqrt()
    return mean, deviation.expand_as(mean)


def _mean_and_std(examples: Examples, chunk: int = 4096) -> tuple[Tensor, Tensor]:
    """Return the statistics of the images, each (image_dim,), in one pass over more than fits into
    memory.
    """
    total = np.zeros(examples.features.shape[1])
    squares = np.zeros_like(total)
    for start in range(0, len(examples), chunk):
        part = examples.features[examples.rows[start : start + chunk]].astype(np.float64)
        if not np.isfinite(part).all():
            raise InvalidInput("Matching can't be trained: some features are NaN or infinite.")
        total += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    mean = total / len(examples)
    std = np.sqrt(np.maximum(squares / len(examples) - mean**2, 0.0))
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


@dataclass(frozen=True)
class _Course:
    """Mean loss of each epoch, and the number of the epoch that was kept; None: the last one."""

    losses: list[float]
    best: int | None


def _fit(
    network: MatchingNetwork,
    seen: Examples,
    held_out: Examples,
    settings: TrainingSettings,
    rng: np.random.Generator,
    on_progress: Progress,
    cancelled: Callable[[], bool],
) -> _Course:
    """Run epochs until held-out images improve no more, and restore the best epoch's weights."""
    batches = max(1, round(len(seen) / settings.batch_size))
    optimizer = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * batches)
    generator = torch.Generator().manual_seed(settings.seed)
    best = _Best(network, held_out)
    losses: list[float] = []
    network.train()
    for epoch in range(1, settings.epochs + 1):
        total = 0.0
        # Batches of nearly equal size, because one image alone has nothing to be contrasted with.
        for done, part in enumerate(np.array_split(rng.permutation(len(seen)), batches), start=1):
            if cancelled():
                raise TrainingCancelled
            images, terms, carries = seen.take(part).tensors()
            joint_images, joint_terms = network(
                _drop(images, network.image.mean, IMAGE_DROPOUT, generator),
                _drop(terms, network.word.mean, WORD_DROPOUT, generator),
            )
            loss = contrastive_loss(joint_images, joint_terms, carries, settings)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
            if not math.isfinite(total):
                raise InvalidInput(_DIVERGED)
            on_progress(epoch, total / done)
        losses.append(total / batches)
        if best.seen(epoch) >= settings.patience:
            break
    best.restore()
    if not all(weights.isfinite().all() for weights in network.parameters()):
        raise InvalidInput(_DIVERGED)
    return _Course(losses, best.epoch)


class _Best:
    """Weights of the epoch with the best result on held-out images; none without such images."""

    def __init__(self, network: MatchingNetwork, held_out: Examples) -> None:
        self._network = network
        self._judging = held_out.tensors() if len(held_out) else None
        self._precision = -1.0
        self._weights: dict[str, Tensor] = {}
        self.epoch: int | None = None

    def seen(self, epoch: int) -> int:
        """Compare the present weights; return the number of epochs since the best ones."""
        if self._judging is None:
            return 0
        precision = evaluate(self._network, *self._judging).mean_average_precision
        if precision > self._precision:
            self._precision, self.epoch = precision, epoch
            weights = self._network.state_dict()
            self._weights = {name: tensor.clone() for name, tensor in weights.items()}
        return epoch - (self.epoch or epoch)

    def restore(self) -> None:
        if self._weights:
            self._network.load_state_dict(self._weights)


def _drop(features: Tensor, mean: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Puts the mean in the place of a share of the features, and scales up the others' rest.

    Dropout of the standardised features, that is; with a generator of its own, for repeatability.
    """
    kept = torch.rand(features.shape, generator=generator) >= share
    return mean + (features - mean) * kept / (1 - share)


def _loss_of(network: MatchingNetwork, examples: Examples, settings: TrainingSettings) -> float:
    batches = max(1, round(len(examples) / settings.batch_size))
    total = 0.0
    with torch.no_grad():
        for part in np.array_split(np.arange(len(examples)), batches):
            images, terms, carries = examples.take(part).tensors()
            joint_images, joint_terms = network(images, terms)
            loss = contrastive_loss(joint_images, joint_terms, carries, settings)
            total += loss.item()
    return total / batches
