"""Compile a network and run it for the service, which starts this program.

`python -m services.embedder.backbones.compilation SOCKET MEMORY NETWORK`, see `engines/apart.py`.
"""

import sys

from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.engines.apart_worker import work

if __name__ == "__main__":
    # Networks of timm import torchvision.
    ensure_torchvision_ops()
    work(sys.argv)
