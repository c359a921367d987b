"""The contrastive losses: matching pairs are drawn together and others pushed apart.

`MARGIN` is pairwise, of Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an
Invariant Mapping" (2006). `BATCH` is InfoNCE (van den Oord, Li and Vinyals, "Representation
Learning with Contrastive Predictive Coding", 2018), where each of several positives in a row is
compared with the negatives alone.

Both take the mean of image -> term and term -> image. In both an image's own tag is never among
its negatives, however many images share it. Hard negatives are those of a row that are most
similar (Schroff, Kalenichenko and Philbin, "FaceNet", 2015).
"""

import torch
from torch import Tensor
from torch.nn import functional

from shared.contracts.embedder import MatchingLoss, TrainingSettings

# Finite, so that the gradient of a row without negatives is 0 and not NaN.
_NEVER = -1e9


def contrastive_loss(
    images: Tensor, terms: Tensor, carries: Tensor, settings: TrainingSettings
) -> Tensor:
    """The loss that the settings name, a scalar.

    `images` (b, d) and `terms` (t, d) have length 1; the terms are distinct. `carries` (b, t) is
    True where the image carries the term: all of these are positives.
    """
    cosines = images @ terms.T
    return (_one_way(cosines, carries, settings) + _one_way(cosines.T, carries.T, settings)) / 2


def _one_way(cosines: Tensor, positive: Tensor, settings: TrainingSettings) -> Tensor:
    negative = ~positive
    if settings.hard_negatives:
        negative = _hardest(cosines.detach(), negative, settings.hard_negatives)
    if settings.loss is MatchingLoss.MARGIN:
        return _margin(cosines, positive, negative, settings.margin)
    return _batch(cosines / settings.temperature, positive, negative)


def _margin(cosines: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Squared, of the distance 1 - cosine: a positive's own, a negative's within the margin.

    Summed over the pairs, for each positive one: as a mean, the many negatives would weigh nothing.
    """
    apart = (1 - cosines).square()
    near = functional.relu(cosines - (1 - margin)).square()
    total = torch.where(positive, apart, 0.0).sum() + torch.where(negative, near, 0.0).sum()
    return total / positive.sum().clamp(min=1)


def _batch(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Each positive against the row's negatives; a row's other positives have no part in it."""
    others = logits.masked_fill(~negative, _NEVER).logsumexp(dim=1, keepdim=True)
    per_pair = functional.softplus(others - logits)
    counts = positive.sum(dim=1)
    per_row = torch.where(positive, per_pair, 0.0).sum(dim=1) / counts.clamp(min=1)
    return per_row.sum() / (counts > 0).sum().clamp(min=1)


def _hardest(cosines: Tensor, negative: Tensor, count: int) -> Tensor:
    """Return a mask (b, t) of the `count` most similar negatives of each row."""
    count = min(count, cosines.shape[1])
    nearest = cosines.masked_fill(~negative, -torch.inf).topk(count, dim=1).indices
    return torch.zeros_like(negative).scatter(1, nearest, True) & negative
