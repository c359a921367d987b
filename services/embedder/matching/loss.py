"""The contrastive loss.

The idea, to draw matching pairs together and push others apart, is of Hadsell, Chopra and LeCun,
"Dimensionality Reduction by Learning an Invariant Mapping" (2006). The form is InfoNCE (van den
Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018), both
ways, with several positives in a row averaged outside of the logarithm (Khosla et al., "Supervised
Contrastive Learning", 2020, equation 2).
"""

import torch
from torch import Tensor
from torch.nn import functional


def contrastive_loss(images: Tensor, terms: Tensor, carries: Tensor, temperature: float) -> Tensor:
    """The mean of image -> term and term -> image loss, a scalar.

    `images` (b, d) and `terms` (t, d) have length 1; the terms are distinct. `carries` (b, t) is
    True where the image carries the term: all of these are positives, so an image's own tag is
    never among its negatives, however many images share it.
    """
    logits = images @ terms.T / temperature
    return (_one_way(logits, carries) + _one_way(logits.T, carries.T)) / 2


def _one_way(logits: Tensor, positive: Tensor) -> Tensor:
    log_probability = functional.log_softmax(logits, dim=1)
    counts = positive.sum(dim=1)
    per_row = -torch.where(positive, log_probability, 0.0).sum(dim=1) / counts.clamp(min=1)
    return per_row.sum() / (counts > 0).sum().clamp(min=1)
