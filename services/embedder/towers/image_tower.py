"""open_clip's tower of images as a backbone."""

from typing import Any

from services.embedder import fingerprint
from services.embedder.backbones.backbone import Backbone
from services.embedder.preprocess import Preprocessing
from services.embedder.towers.source import Source, find_source
from shared.core.errors import Misconfigured

_SQUASH = {"shortest": False, "squash": True}


def load_image_tower(
    name: str, weights: str = "", setting: str = "ISE_WEIGHTS", hub_seconds: float = 5.0
) -> Backbone:
    """The tower of `open_clip:<model>`, before its vectors are normalised. Raises Misconfigured."""
    source = find_source(name, weights, setting, hub_seconds)
    # The digest covers what the shapes of weights don't show, such as the number of heads.
    shape = {key: source.config.get(key) for key in ("embed_dim", "vision_cfg", "quick_gelu")}
    pooling = f"open_clip-{fingerprint.short_digest(shape)}"
    return Backbone(source.architecture, source.image_tower(), _preprocessing(source), pooling)


def _preprocessing(source: Source) -> Preprocessing:
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    size = source.config["vision_cfg"].get("image_size", 224)
    merged: dict[str, Any] = merge_preprocess_dict(PreprocessCfg(), source.preprocessing)
    height, width = (size, size) if isinstance(size, int) else size
    mode, interpolation = merged["resize_mode"], merged["interpolation"]
    if mode not in _SQUASH or (height != width and not _SQUASH[mode]):
        raise Misconfigured(
            f"{source.architecture} wants its pictures resized in a way that isn't supported "
            f"({mode}, {width} x {height}); choose another model."
        )
    return Preprocessing(
        resize=(height, width),
        crop=(height, width),
        # For training, open_clip draws one of both for each picture.
        interpolation="bicubic" if interpolation == "random" else interpolation,
        mean=tuple(merged["mean"]),
        std=tuple(merged["std"]),
        squash=_SQUASH[mode],
    )
