"""Any timm network as a backbone."""

import math
from typing import Any

from torch import nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.spelling import did_you_mean
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.backbones.weights import load_weights, read_weights
from services.embedder.hub import check_reachable, unavailable
from services.embedder.preprocess import Preprocessing
from shared.core.errors import Misconfigured


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
    if weights:
        module = _create(name, setting)
        load_weights(module, read_weights(weights, setting), f"{setting}={weights}", _heads(module))
    else:
        module = _pretrained(name, setting, hub_seconds)
    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    pool = getattr(module, "global_pool", "") or "pooled"
    pooling = pool if isinstance(pool, str) else type(pool).__name__
    return Backbone(name, module, preprocessing_of(config), pooling)


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


def _create(name: str, setting: str, **options: Any) -> nn.Module:
    import timm

    try:
        module: nn.Module = timm.create_model(name, num_classes=0, **options)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise Misconfigured(unavailable(name, setting, str(error))) from error
    return module


def _pretrained(name: str, setting: str, hub_seconds: float) -> nn.Module:
    import timm
    from huggingface_hub import constants, try_to_load_from_cache

    if ":" not in name:
        source = timm.get_pretrained_cfg(name)
        if source is None or not source.has_weights:
            raise Misconfigured(
                f"timm has no pretrained weights for {name}; set {setting} to a safetensors file."
            )
        if source.hf_hub_id and not source.custom_load:
            cached = try_to_load_from_cache(source.hf_hub_id, "model.safetensors")
            if isinstance(cached, str):
                return _create(
                    name, setting, pretrained=True, pretrained_cfg_overlay={"file": cached}
                )
    check_reachable(constants.ENDPOINT, hub_seconds, name, setting)
    return _create(name, setting, pretrained=True)


def _heads(module: nn.Module) -> tuple[str, ...]:
    """Key prefixes of a classifier, which a weights file may have and a feature network lacks."""
    heads = getattr(module, "pretrained_cfg", {}).get("classifier") or ()
    return (heads,) if isinstance(heads, str) else tuple(heads)
