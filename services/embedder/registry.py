"""From the name of a backbone to the backbone."""

from services.embedder.backbones import lite_backbone, mini_backbone
from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.lite_backbone import load_lite
from services.embedder.backbones.mini_backbone import load_mini
from services.embedder.backbones.timm_backbone import load_timm
from services.embedder.backbones.torchvision_backbone import PREFIX, load_torchvision
from services.embedder.towers.image_tower import load_image_tower
from services.embedder.towers.source import PREFIX as TOWERS


def load_backbone(
    name: str, weights: str = "", setting: str = "ISE_WEIGHTS", hub_seconds: float = 5.0
) -> Backbone:
    """Load `lite`, `mini`, a timm network, `torchvision/<name>`, or `open_clip:<model>`'s images.

    `weights`: a local safetensors file.

    Raises Misconfigured, with a sentence that names `setting` where a file would help.
    """
    if name == lite_backbone.NAME:
        return load_lite(weights, setting)
    if name == mini_backbone.NAME:
        return load_mini(weights, setting)
    if name.startswith(PREFIX):
        return load_torchvision(name.removeprefix(PREFIX), weights, setting, hub_seconds)
    if name.startswith(TOWERS):
        return load_image_tower(name, weights, setting, hub_seconds)
    return load_timm(name, weights, setting, hub_seconds)
