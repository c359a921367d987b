"""Any classification network of torchvision as a backbone."""

import copy
import urllib.parse
from pathlib import Path
from typing import Any

import torch
from torch import nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.classifier import checked_head
from services.embedder.backbones.spelling import did_you_mean
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.backbones.weights import load_weights, read_weights
from services.embedder.hub import check_reachable, unavailable
from services.embedder.preprocess import Preprocessing
from shared.core.errors import Misconfigured

PREFIX = "torchvision/"

_HEADS = ("fc", "classifier", "heads", "head")
"""Names of the classifier in torchvision's networks."""
_AUXILIARY = ("AuxLogits", "aux1", "aux2")
"""Classifiers that only training uses."""
_INCEPTIONS = ("inception_v3", "googlenet")


def load_torchvision(
    name: str, weights: str = "", setting: str = "ISE_WEIGHTS", hub_seconds: float = 5.0
) -> Backbone:
    """The network of that torchvision name (without the prefix), with pretrained weights.

    The weights, and the preprocessing that goes with them, are those of the first recipe that
    torchvision lists (`IMAGENET1K_V1`): the later ones classify better, and retrieve worse. From
    the hub, or with `weights` from a local file in the same keys. Raises Misconfigured.
    """
    ensure_torchvision_ops()
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        hint = did_you_mean(name, known)
        raise Misconfigured(f"torchvision has no classification network {name}.{hint}")
    recipe = next(iter(models.get_model_weights(name)))
    has_head = True
    if weights:
        module = models.get_model(name, weights=None, **_options(name, recipe))
        tensors = read_weights(weights, setting)
        load_weights(
            module,
            tensors,
            f"{setting}={weights}",
            classifier=(_head_of(module), *_AUXILIARY),
        )
        has_head = any(key.startswith(f"{_head_of(module)}.") for key in tensors)
    else:
        module = _pretrained(name, recipe, setting, hub_seconds)
    preprocessing = preprocessing_of(recipe.transforms())
    # Before the classifier is dropped; the layers below it are shared, not copied.
    whole = copy.copy(module)
    whole._modules = dict(module._modules)
    drop_classifier(module)
    head = None
    if has_head and (last := last_linear(whole, _head_of(whole))) is not None:
        head = checked_head(lambda: whole, module, last, preprocessing, is_known=not weights)
    return Backbone(f"torchvision-{name}", module, preprocessing, "pooled", head)


def last_linear(module: nn.Module, head: str) -> str | None:
    """The name of the last linear map in a network's head."""
    found = [
        f"{head}.{name}".rstrip(".")
        for name, layer in module.get_submodule(head).named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    return found[-1] if found else None


def preprocessing_of(transforms: Any) -> Preprocessing:
    """torchvision's `ImageClassification` preset."""
    (resize,), (crop,) = transforms.resize_size, transforms.crop_size
    return Preprocessing(
        resize=(resize, resize),
        crop=(crop, crop),
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )


def drop_classifier(module: nn.Module) -> None:
    """Makes a classification network give the pooled features that its classifier would get."""
    name = _head_of(module)
    setattr(module, name, _without_classifier(getattr(module, name)))
    # VGG and AlexNet pool to 7x7 or 6x6 cells for their classifiers; the others pool to one cell.
    if isinstance(getattr(module, "avgpool", None), nn.AdaptiveAvgPool2d):
        module.avgpool = nn.AdaptiveAvgPool2d(1)


def _without_classifier(head: nn.Module) -> nn.Module:
    """Return the layers before the first learned map of a head (norms, pools), and pools
    after it.
    """
    if not isinstance(head, nn.Sequential):
        return nn.Identity()
    steps = list(head)
    learned = (nn.Linear, nn.Conv2d)
    first = next((i for i, step in enumerate(steps) if isinstance(step, learned)), len(steps))
    pools = [step for step in steps[first:] if isinstance(step, nn.AdaptiveAvgPool2d)]
    kept = [step for step in steps[:first] if not isinstance(step, nn.Dropout)]
    return nn.Sequential(*kept, *pools)


def _head_of(module: nn.Module) -> str:
    for name in _HEADS:
        if isinstance(getattr(module, name, None), nn.Module):
            return name
    raise Misconfigured(f"{type(module).__name__} has no classifier that is known here.")


def _options(name: str, recipe: Any) -> dict[str, Any]:
    """Return the options that torchvision's builders set themselves for pretrained weights."""
    if name in _INCEPTIONS:
        return {"transform_input": True, "aux_logits": False, "init_weights": False}
    if name.startswith("vit_"):
        return {"image_size": recipe.meta["min_size"][0]}
    return {}


def _pretrained(name: str, recipe: Any, setting: str, hub_seconds: float) -> nn.Module:
    from torchvision import models

    file = Path(urllib.parse.urlparse(recipe.url).path).name
    if not Path(torch.hub.get_dir(), "checkpoints", file).exists():
        check_reachable(recipe.url, hub_seconds, f"torchvision's {name}", setting)
    options = {"aux_logits": False} if name in _INCEPTIONS else {}
    try:
        module: nn.Module = models.get_model(name, weights=recipe, progress=False, **options)
    except (OSError, RuntimeError) as error:
        what = f"torchvision's {name}"
        raise Misconfigured(unavailable(what, setting, str(error))) from error
    return module
