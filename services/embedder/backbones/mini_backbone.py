"""The packaged network as a backbone."""

from services.embedder.backbones import mini
from services.embedder.backbones.backbone import Backbone
from services.embedder.backbones.weights import load_weights, read_weights
from services.embedder.preprocess import Preprocessing
from shared.core.errors import Misconfigured

NAME = "mini"


def load_mini(weights: str = "", setting: str = "ISE_WEIGHTS") -> Backbone:
    """MiniNet with the packaged weights, or with those of a local file."""
    if weights:
        module = mini.MiniNet()
        load_weights(module, read_weights(weights, setting), f"{setting}={weights}")
    else:
        try:
            module = mini.load_packaged_mini()
        except FileNotFoundError as error:
            raise Misconfigured(
                f"The package lacks its own weights ({error.filename}); reinstall it, or set "
                f"{setting} to a safetensors file."
            ) from error
    preprocessing = Preprocessing(
        resize=(mini.RESIZE_SIZE, mini.RESIZE_SIZE),
        crop=(mini.INPUT_SIZE, mini.INPUT_SIZE),
        interpolation="bicubic",
        mean=mini.MEAN,
        std=mini.STD,
    )
    return Backbone(NAME, module, preprocessing, pooling="average-then-linear")
