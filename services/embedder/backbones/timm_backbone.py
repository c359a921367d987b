"""Any timm network as a backbone."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.classifier import checked_head
from services.embedder.backbones.spelling import did_you_mean
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.backbones.weights import load_weights, read_weights
from services.embedder.hub import check_reachable, unavailable
from services.embedder.preprocess import Preprocessing
from shared.core.errors import Misconfigured
from shared.labels.head import LabelHead


def load_timm(
    name: str, weights: str = "", setting: str = "ISE_WEIGHTS", hub_seconds: float = 5.0
) -> Backbone:
    """The network of that timm name, with the hub's pretrained weights or a local file's.

    Its features are those before the classifier, pooled as the network does it. Raises
    Misconfigured.
    """
    ensure_torchvision_ops()
    # Must follow the line above. Imported here because it takes a second.
    import timm
    from timm.data.config import resolve_model_data_config

    if not timm.is_model(name.partition(".")[0]) and ":" not in name:
        hint = did_you_mean(name, timm.list_models())
        raise Misconfigured(
            f"{name} is no timm network.{hint} torchvision's are torchvision/<name>."
        )
    tensors: dict[str, Tensor] | None = None
    if weights:
        module = _create(name, setting)
        tensors = read_weights(weights, setting)
        load_weights(module, tensors, f"{setting}={weights}", _heads(module))
    else:
        module = _pretrained(name, setting, hub_seconds)
    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    pool = getattr(module, "global_pool", "") or "pooled"
    pooling = pool if isinstance(pool, str) else type(pool).__name__
    preprocessing = preprocessing_of(config)
    if tensors is None:
        head = _hub_head(name, setting, module, preprocessing)
    else:
        head = file_head(name, tensors, module, preprocessing)
    return Backbone(name, module, preprocessing, pooling, head)


def file_head(
    name: str,
    tensors: Mapping[str, Tensor],
    module: nn.Module,
    preprocessing: Preprocessing,
    is_known: bool = False,
) -> LabelHead | None:
    """Return the classifier over named classes among the tensors of a network, or None.

    is_known: the tensors are the published ones, which were trained on the classes of that name.
    """
    import timm

    heads = _heads(module)
    if len(heads) != 1 or f"{heads[0]}.weight" not in tensors:
        return None
    count = len(tensors[f"{heads[0]}.weight"])

    def classify() -> nn.Module:
        whole: nn.Module = timm.create_model(name, num_classes=count)
        load_weights(whole, tensors, name)
        return whole

    return checked_head(classify, module, heads[0], preprocessing, is_known)


def _hub_head(
    name: str, setting: str, module: nn.Module, preprocessing: Preprocessing
) -> LabelHead | None:
    heads = _heads(module)
    if len(heads) != 1 or not getattr(module, "pretrained_cfg", {}).get("num_classes"):
        return None
    # The features' weights were just fetched, so these are on this machine.
    return checked_head(
        lambda: _published(name, setting, num_classes=None),
        module,
        heads[0],
        preprocessing,
        is_known=True,
    )


def preprocessing_of(config: dict[str, Any]) -> Preprocessing:
    """Return the preprocessing of timm's data configuration, as from `resolve_data_config`."""
    channels, height, width = config["input_size"]
    if channels != 3:
        raise Misconfigured(f"The network takes {channels} channels; RGB pictures have 3.")
    if config["crop_mode"] not in ("center", "squash"):
        raise Misconfigured(f"The network's crop mode, {config['crop_mode']}, isn't supported.")
    return Preprocessing(
        resize=(
            math.floor(height / config["crop_pct"]),
            math.floor(width / config["crop_pct"]),
        ),
        crop=(height, width),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        squash=config["crop_mode"] == "squash",
    )


def _create(name: str, setting: str, num_classes: int | None = 0, **options: Any) -> nn.Module:
    import timm

    try:
        module: nn.Module = timm.create_model(name, num_classes=num_classes, **options)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise Misconfigured(unavailable(name, setting, str(error))) from error
    return module


def _pretrained(name: str, setting: str, hub_seconds: float) -> nn.Module:
    import timm
    from huggingface_hub import constants

    if ":" not in name:
        source = timm.get_pretrained_cfg(name)
        if source is None or not source.has_weights:
            raise Misconfigured(
                f"timm has no pretrained weights for {name}; set {setting} to a safetensors file."
            )
    if _cached(name) is None:
        check_reachable(constants.ENDPOINT, hub_seconds, name, setting)
    return _published(name, setting)


def _published(name: str, setting: str, num_classes: int | None = 0) -> nn.Module:
    """Create a network with the hub's weights, from the cache where they are there."""
    cached = _cached(name)
    overlay = {} if cached is None else {"pretrained_cfg_overlay": {"file": cached}}
    return _create(name, setting, num_classes, pretrained=True, **overlay)


def _cached(name: str) -> str | None:
    """The cached weights file of a network, or None."""
    import timm
    from huggingface_hub import try_to_load_from_cache

    source = None if ":" in name else timm.get_pretrained_cfg(name)
    if source is None or not source.hf_hub_id or source.custom_load:
        return None
    cached = try_to_load_from_cache(source.hf_hub_id, "model.safetensors")
    return cached if isinstance(cached, str) else None


def _heads(module: nn.Module) -> tuple[str, ...]:
    """Key prefixes of a classifier, which a weights file may have and a feature network lacks."""
    heads = getattr(module, "pretrained_cfg", {}).get("classifier") or ()
    return (heads,) if isinstance(heads, str) else tuple(heads)
