"""Weights from local safetensors files. Nothing is unpickled here: a pickle can run code."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from shared.core.errors import Misconfigured

_SHOWN = 5


def read_weights(path: str, setting: str = "ISE_WEIGHTS") -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises Misconfigured, naming `setting`."""
    file = Path(os.path.expandvars(path)).expanduser()
    if not file.is_file():
        raise Misconfigured(f"{setting}={path}: there is no file {file.absolute()}.")
    try:
        return safetensors.torch.load_file(file)
    except safetensors.SafetensorError as error:
        raise Misconfigured(
            f"{setting}={path} is no safetensors file ({error}). Pickled weights (.pth, .bin) are "
            "not loaded, since they can run code; convert them with safetensors."
        ) from error


def load_weights(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    source: str,
    classifier: Iterable[str] = (),
) -> None:
    """Puts `tensors` into `module`, all of them, in place.

    Keys under the `classifier` prefixes may be absent on either side; so may the step counters of
    batch norms, which inference doesn't use. Any other gap, leftover or difference of shape raises
    Misconfigured, which names the first few.
    """
    prefixes = tuple(f"{prefix}." for prefix in classifier)
    own = module.state_dict()
    taken = {name: t for name, t in tensors.items() if name in own or not _optional(name, prefixes)}
    missing = [name for name in own if name not in taken and not _optional(name, prefixes)]
    unexpected = [name for name in taken if name not in own]
    misshapen = [
        f"{name} ({_shape(taken[name])} for {_shape(tensor)})"
        for name, tensor in own.items()
        if name in taken and taken[name].shape != tensor.shape
    ]
    wrong = [
        f"{kind}: {_first(names)}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", misshapen),
        )
        if names
    ]
    if wrong:
        raise Misconfigured(
            f"{source} doesn't fit the network ({'; '.join(wrong)}). Give the weights of this "
            "network, or name the one that they are of (ISE_BACKBONE, ISE_MATCHING_BACKBONE, "
            "ISE_MATCHING)."
        )
    # Update the network's own dictionary, because it carries the version that some networks need.
    own.update({name: tensor.to(own[name].dtype) for name, tensor in taken.items()})
    module.load_state_dict(own)


def _optional(name: str, prefixes: tuple[str, ...]) -> bool:
    return name.endswith(".num_batches_tracked") or name.startswith(prefixes)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _first(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
