"""A model of open_clip: its configuration, and the file of its weights.

Its image and text towers were trained together, so their vectors share one space. Weights are read
from safetensors only; open_clip's own loading, which accepts pickles, isn't used.
"""

import json
import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from services.embedder.backbones.spelling import did_you_mean
from services.embedder.backbones.torchvision_ops import ensure_torchvision_ops
from services.embedder.backbones.weights import load_weights, read_weights
from services.embedder.hub import check_answers
from shared.core.errors import Misconfigured

PREFIX = "open_clip:"
_FOLDER, _HUB = "local-dir:", "hf-hub:"
_CONFIG, _WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
_IMAGE, _TEXT = "visual", "text"
_SHOWN = 8


@dataclass(frozen=True)
class Source:
    """`architecture`: its name in fingerprints. `tokenizer`: as open_clip names it.

    `config`, `preprocessing`: open_clip's `model_cfg` and `preprocess_cfg`.
    """

    architecture: str
    tokenizer: str
    config: dict[str, Any]
    preprocessing: dict[str, Any]
    weights: str
    setting: str

    def image_tower(self) -> nn.Module:
        """Normalised images (n, 3, height, width) -> (n, dim). Raises Misconfigured."""
        return self._tower(_IMAGE)

    def text_tower(self) -> nn.Module:
        """Tokens (n, length) -> (n, dim). Raises Misconfigured."""
        return self._tower(_TEXT)

    def _tower(self, part: str) -> nn.Module:
        from open_clip import CustomTextCLIP

        try:
            # Unlike CLIP, CustomTextCLIP keeps the text layers in a module of their own.
            towers = CustomTextCLIP(**self.config)
        except (RuntimeError, ValueError, TypeError, KeyError, OSError, ImportError) as error:
            raise Misconfigured(
                f"open_clip can't make the towers of {self.architecture} ({error})."
            ) from error
        module: nn.Module = getattr(towers, part)
        tensors = _of_part(read_weights(self.weights, self.setting), part)
        load_weights(module, tensors, f"{self.setting}={self.weights}")
        return module.eval().requires_grad_(False)


def find_source(name: str, weights: str, setting: str, hub_seconds: float) -> Source:
    """The model `open_clip:<model>`; `weights`: a local file, which `setting` names.

    `<model>`: an architecture of open_clip, with `/<tag>` for pretrained weights of the hub;
    `hf-hub:<repository>`; or `local-dir:<folder>`. Raises Misconfigured.
    """
    library = _library()
    model = name.removeprefix(PREFIX)
    if model.startswith(_FOLDER):
        folder = Path(os.path.expandvars(model.removeprefix(_FOLDER))).expanduser()
        described = _described(folder / _CONFIG, name)
        weights = weights or str(folder / _WEIGHTS)
        # Identified by weights and not by the folder's name, so that a model may be moved.
        return _source(PREFIX + "local", f"{_FOLDER}{folder}", described, weights, setting)
    if model.startswith(_HUB):
        repository = model.removeprefix(_HUB)
        described = _described(_downloaded(repository, _CONFIG, setting, hub_seconds), name)
        weights = weights or str(_downloaded(repository, _WEIGHTS, setting, hub_seconds))
        return _source(PREFIX + repository, model, described, weights, setting)
    architecture, _, tag = model.partition("/")
    config = library.get_model_config(architecture)
    if config is None:
        hint = did_you_mean(architecture, library.list_models())
        raise Misconfigured(
            f"{architecture} is no model of open_clip.{hint} A folder of your own is "
            "open_clip:local-dir:<folder>."
        )
    pretrained = library.get_pretrained_cfg(architecture, tag) if tag else {}
    if not pretrained and (tag or not weights):
        tags = ", ".join(library.list_pretrained_tags_by_model(architecture)[:_SHOWN]) or "none"
        raise Misconfigured(
            f"{name} names no pretrained weights: add one of open_clip's tags for {architecture} "
            f"({tags}) as open_clip:{architecture}/<tag>, or set {setting} to a safetensors file."
        )
    if pretrained.get("quick_gelu"):
        config["quick_gelu"] = True
    if not weights:
        repository = os.path.dirname(pretrained.get("hf_hub", ""))  # noqa: PTH120 - no file's
        if not repository:
            raise Misconfigured(
                f"open_clip has the weights {tag} only as a pickle, which can run code. Choose "
                f"another tag, or convert them and set {setting} to the safetensors file."
            )
        weights = str(_downloaded(repository, _WEIGHTS, setting, hub_seconds))
    described = {"model_cfg": config, "preprocess_cfg": pretrained}
    return _source(PREFIX + architecture, architecture, described, weights, setting)


def _library() -> ModuleType:
    ensure_torchvision_ops()
    try:
        import open_clip
    except ModuleNotFoundError as error:
        raise Misconfigured(
            f"open_clip isn't installed ({error}): pip install 'image-search-engine[clip]'."
        ) from error
    library: ModuleType = open_clip
    return library


def _source(
    architecture: str, tokenizer: str, described: Mapping[str, Any], weights: str, setting: str
) -> Source:
    config: dict[str, Any] = deepcopy(dict(described["model_cfg"]))
    config.pop("custom_text", None)
    # The file contains the towers' weights, so don't download any.
    config["vision_cfg"]["timm_model_pretrained"] = False
    config["text_cfg"]["hf_model_pretrained"] = False
    preprocessing = dict(described.get("preprocess_cfg", {}))
    return Source(architecture, tokenizer, config, preprocessing, weights, setting)


def _described(path: Path, name: str) -> dict[str, Any]:
    """open_clip's description of a model, which its towers can be made by."""
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        towers = described["model_cfg"]
        if not all(isinstance(towers[key], dict) for key in ("vision_cfg", "text_cfg")):
            raise TypeError("vision_cfg and text_cfg are no objects")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"{name}: {path} can't be read ({error}). It has to describe the model as open_clip's "
            "push_to_hf_hub writes it: model_cfg with embed_dim, vision_cfg and text_cfg."
        ) from error
    return dict(described)


def _downloaded(repository: str, file: str, setting: str, hub_seconds: float) -> Path:
    """A file of a repository of the hub; from its cache where it was downloaded before."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    try:
        check_answers(constants.ENDPOINT, hub_seconds)
        return Path(hf_hub_download(repository, file))
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise Misconfigured(
            f"{file} of {repository} is not on this machine and can't be downloaded ({reason}). "
            f"Set {setting} to a local safetensors file, take a folder of your own "
            "(open_clip:local-dir:<folder>), or leave ISE_MATCHING empty, which needs no download."
        ) from error


def _of_part(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of one tower, by the names that it has itself."""
    from open_clip.model import convert_to_custom_text_state_dict

    named: dict[str, Tensor] = convert_to_custom_text_state_dict(tensors)
    prefix = f"{part}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in named.items()
        if name.startswith(prefix)
    }
