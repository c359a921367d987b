"""Makes `import torchvision` work where its compiled operators cannot be loaded."""

import functools
import importlib.util
from pathlib import Path

import torch

_NAMESPACE = "torchvision"
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def ensure_torchvision_ops() -> None:
    """Ensure that `torchvision::nms` and `qnms` exist; call it before importing torchvision or
    timm.

    A torchvision wheel built for CUDA next to a CPU build of torch can't load its `_C` library. It
    then registers shape functions for undefined operators, which fails the import. Declaring their
    schemas is enough, because no network here runs either operator. Does nothing if the operators
    exist.
    """
    if not _missing() or _load_compiled():
        return
    _define_schemas()


def compiled_ops_load() -> bool:
    """Return whether torchvision's own operators work, rather than schemas in their stead."""
    ensure_torchvision_ops()
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(f"{_NAMESPACE}::nms", "CPU"))


def _missing() -> list[str]:
    namespace = getattr(torch.ops, _NAMESPACE)
    return [name for name in _SCHEMAS if not hasattr(namespace, name)]


def _load_compiled() -> bool:
    """Load torchvision's own library and say whether it worked; it goes first, since it defines the
    same schemas.
    """
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in sorted(Path(folder).glob("_C.*")):
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            except OSError:
                continue
            return not _missing()
    return False


@functools.cache
def _define_schemas() -> torch.library.Library:
    """Define the missing schemas; cached, because they disappear with the library object."""
    library = torch.library.Library(_NAMESPACE, "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _missing():
        library.define(_SCHEMAS[name])  # type: ignore[no-untyped-call]
    return library
