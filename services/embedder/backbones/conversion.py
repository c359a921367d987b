"""Convert a network: `python -m services.embedder.backbones.conversion NETWORK RESULT`.

The service starts it for large networks, see `engines/converter.py`.
"""

import os
import sys

import torch

from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.engines.openvino import converted

_NICE = 5


def main(argv: list[str]) -> None:
    """Read a network that the service has just written, and write its OpenVINO model."""
    import openvino

    os.nice(_NICE)
    # Networks of timm import torchvision.
    ensure_torchvision_ops()
    given = torch.load(argv[1], weights_only=False)
    openvino.save_model(converted(given["network"], given["size"]), argv[2], compress_to_fp16=False)


if __name__ == "__main__":
    main(sys.argv)
