"""Classifier over named classes that a network's weights bring, as a head for stored features.

A head is given only where it is shown to be right: its classes are known by name, and on a test
picture its answer on the features that are served is that of the whole network.
"""

import logging
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.embedder.preprocess import Preprocessing
from shared.labels.head import LabelClass, LabelHead

log = logging.getLogger(__name__)

_IMAGENET_1K = 1000
# Classes of ImageNet-1k that stand together and look alike: dogs, birds, snakes, apes, cats, more
# birds. In weights that were trained on them, classes of a group are nearer to each other.
_ALIKE = ((151, 269), (80, 101), (52, 69), (365, 385), (281, 294), (7, 25))
_ALIKE_LEAST = 0.05
"""Trained networks have medians of 0.12 (EfficientNet-Lite0) to 0.29 (SqueezeNet), others 0.01."""
_LEAST_CORRELATION = 0.999


def checked_head(
    classify: Callable[[], nn.Module],
    module: nn.Module,
    classifier: str,
    preprocessing: Preprocessing,
    is_known: bool,
) -> LabelHead | None:
    """Return the head of a network, or None where it has none that can be vouched for.

    classify: gives the whole network with its weights. module: what serves its features.
    classifier: the name of its last linear map. is_known: the weights are the published ones, so
    their classes needn't be recognised. A network without labels is no error: the reason is logged.
    """
    try:
        whole = classify().eval()
        head, reason = _head(whole, module.eval(), classifier, preprocessing, is_known)
    except (RuntimeError, ValueError, TypeError, AttributeError, OSError, KeyError) as error:
        head, reason = None, f"{type(error).__name__}: {error}"
    if head is None:
        log.info("no labels: %s", reason)
    return head


def _head(
    whole: nn.Module,
    module: nn.Module,
    classifier: str,
    preprocessing: Preprocessing,
    is_known: bool,
) -> tuple[LabelHead | None, str]:
    layer = whole.get_submodule(classifier)
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        return None, f"{classifier} is no linear map"
    weight = _array(layer.weight)
    weight = weight.reshape(len(weight), -1)
    bias = np.zeros(len(weight), np.float32) if layer.bias is None else _array(layer.bias)
    known = named_classes(len(weight))
    if known is None:
        return None, f"its {len(weight)} classes have no known names"
    source, classes = known
    if not is_known and len(weight) == _IMAGENET_1K and not knows_imagenet(weight):
        return None, "its 1,000 classes aren't ImageNet's in their usual order"
    picture = _test_picture(preprocessing)
    with torch.inference_mode():
        logits, features = _array(whole(picture)), _array(module(picture))
    if features.shape != (1, weight.shape[1]) or logits.shape != (1, len(weight)):
        return None, f"its classifier takes {weight.shape[1]} features, not {features.shape[-1]}"
    own = features @ weight.T + bias
    if np.corrcoef(own[0], logits[0])[0, 1] < _LEAST_CORRELATION or not np.allclose(
        own, logits, rtol=1e-2, atol=1e-2 * float(np.abs(logits).max())
    ):
        return None, "its classifier isn't linear in the pooled features"
    return LabelHead(weight, bias, classes, source), ""


def knows_imagenet(weight: NDArray[np.float32]) -> bool:
    """Return whether weights (1000, dim) are of ImageNet-1k's classes, in their usual order.

    Trained weights of classes that look alike point in like directions; a random network's, and
    those of other classes, don't.
    """
    rows = weight - weight.mean(axis=0)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows / np.where(norms > 0, norms, 1)
    cosines = rows @ rows.T
    gains = []
    for first, last in _ALIKE:
        count = last - first
        inside = cosines[first:last, first:last].sum() - count
        beside = cosines[first:last].sum() - cosines[first:last, first:last].sum()
        gains.append(inside / (count * (count - 1)) - beside / (count * (len(weight) - count)))
    return bool(np.median(gains) > _ALIKE_LEAST)


def named_classes(count: int) -> tuple[str, tuple[LabelClass, ...]] | None:
    """Return the classes of timm's ImageNet subset of that size with its name, or None."""
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    return subset, tuple(
        LabelClass(_names(info.index_to_description(number)), info.index_to_label_name(number))
        for number in range(count)
    )


def _names(description: str) -> tuple[str, ...]:
    """`tench, Tinca tinca` -> its names."""
    return tuple(name for part in description.split(",") if (name := part.strip()))


def _test_picture(preprocessing: Preprocessing) -> Tensor:
    """A normalised picture of stripes and noise: on one of a single colour, all maps are alike."""
    height, width = preprocessing.crop
    random = np.random.default_rng(7)
    waves = np.sin(np.linspace(0, 40, width)) * np.cos(np.linspace(0, 25, height))[:, None]
    pixels = waves[None] * np.array([1.0, -0.6, 0.3])[:, None, None]
    return torch.from_numpy((pixels + random.normal(0, 0.5, pixels.shape)).astype(np.float32))[None]


def _array(tensor: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return found
