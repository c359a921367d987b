"""From the name of a backbone to the backbone."""

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.mini_backbone import NAME, load_mini
from services.embedder.backbones.timm_backbone import load_timm
from services.embedder.backbones.torchvision_backbone import PREFIX, load_torchvision
from services.embedder.towers.image_tower import load_image_tower
from services.embedder.towers.source import PREFIX as TOWERS


def load_backbone(
    name: str, weights: str = "", setting: str = "ISE_WEIGHTS", hub_seconds: float = 5.0
) -> Backbone:
    """`mini`, a timm name, `torchvision/<name>`, or the tower of images of `open_clip:<model>`.

    `weights`: a local safetensors file.

    Raises Misconfigured, with a sentence that names `setting` where a file would help.
    """
    if name == NAME:
        return load_mini(weights, setting)
    if name.startswith(PREFIX):
        return load_torchvision(name.removeprefix(PREFIX), weights, setting, hub_seconds)
    if name.startswith(TOWERS):
        return load_image_tower(name, weights, setting, hub_seconds)
    return load_timm(name, weights, setting, hub_seconds)
