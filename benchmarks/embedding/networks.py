"""The networks that are measured: the packaged one, timm's with random weights, others by file."""

from pathlib import Path

import safetensors.torch
import torch

from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops

RANDOM = "-random.safetensors"


def weights_of(name: str, given: dict[str, Path], folder: Path) -> str:
    """A weights file: the one given; of a timm network else a random one, made in `folder`."""
    if name in given:
        return str(given[name])
    if name in ("lite", "mini") or name.startswith("torchvision/"):
        return ""
    path = folder / f"{name}-1{RANDOM}"
    if not path.exists():
        ensure_torchvision_ops()
        import timm

        torch.manual_seed(0)
        folder.mkdir(parents=True, exist_ok=True)
        module = timm.create_model(name, num_classes=0)
        for layer in module.modules():
            # timm begins the training of residual branches at zero, where an engine may skip them.
            if isinstance(layer, torch.nn.BatchNorm2d) and not layer.weight.any():
                torch.nn.init.ones_(layer.weight)
        safetensors.torch.save_file(module.state_dict(), path)
    return str(path)
