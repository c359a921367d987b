"""Small towers of open_clip with random weights, in a folder as its hub has them."""

import json
from pathlib import Path

import safetensors.torch
import torch

from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops

CONFIG = {
    "embed_dim": 48,
    "vision_cfg": {
        "image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16,
    },
    "text_cfg": {
        "context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2,
    },
}  # fmt: skip
PREPROCESSING = {
    "mean": [0.48, 0.46, 0.41],
    "std": [0.27, 0.26, 0.28],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def save_towers(folder: Path, seed: int = 0, custom: bool = False, **changes: object) -> Path:
    """Writes the description and the weights; `custom`: with the text as a module of its own."""
    ensure_torchvision_ops()
    import open_clip

    folder.mkdir(exist_ok=True)
    config = CONFIG | changes
    torch.manual_seed(seed)
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "open_clip_model.safetensors")
    described = {"model_cfg": config, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    return folder
