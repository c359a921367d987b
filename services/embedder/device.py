"""Device selection: the CPU or a GPU."""

import torch

from shared.core.errors import Misconfigured


def device_of(setting: str) -> torch.device:
    """`auto`: a GPU where there is one, else the CPU; or as torch names it.

    Raises Misconfigured.
    """
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(setting)
    except RuntimeError:
        raise Misconfigured(
            f"ISE_DEVICE={setting} is no device; give auto, cpu, cuda or cuda:<number>."
        ) from None
    available = {"cpu": 1, "cuda": torch.cuda.device_count()}.get(device.type, 0)
    if (device.index or 0) >= available:
        raise Misconfigured(
            f"ISE_DEVICE={setting}, but torch finds {available} such devices. Use "
            "auto or cpu, or install a torch build for your GPU."
        )
    return device


def images_a_pass(device: torch.device) -> int:
    """Return the best number of images per batch: a GPU needs many to be busy, a CPU few."""
    return 128 if device.type == "cuda" else 8
