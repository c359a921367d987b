"""The embedder's settings, each read from `ISE_<NAME>`."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.profiles import BACKBONE, MATCHING_BACKBONE, Profile
from shared.core.settings import Folder, ServiceSettings


def _user_cache() -> Path | None:
    """Return the folder for caches, according to the XDG base directories."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:
        return None  # the user has no home folder
    return base / "image-search-engine"


class EmbedderSettings(ServiceSettings):
    """Settings of the embedder: the models that it hosts and the bounds on its work."""

    model_config = SettingsConfigDict(
        env_prefix="ISE_", env_file=".env", extra="ignore", protected_namespaces=()
    )

    profile: Profile | None = Field(
        None,
        description="`lite`: EfficientNet-Lite0, with weights from a Python package. `mini`: a "
        "small included network. `classic`: inception_resnet_v2, and resnet50 for matching, from "
        "the hub. Default: the profile of the collection, else `lite`.",
    )
    backbone: str = Field(
        "",
        description="`lite`, `mini`, a timm name, or `torchvision/<name>`. Default: the profile's.",
    )
    weights: str = Field("", description="Path of a safetensors file for the backbone.")
    matching: str = Field(
        "",
        description="`open_clip:<model>`: use its image and text towers instead of word vectors "
        "and a matching network.",
    )
    matching_backbone: str = Field(
        "", description="Backbone for search by term. Default: the same."
    )
    matching_weights: str = Field("", description="Path of a safetensors file for it.")
    words: str = Field(
        "",
        description="A word2vec or GloVe file, or a gensim-downloader name. Default: the included "
        "vectors.",
    )

    device: str = Field("auto", description="Device: auto, cpu, cuda, or cuda:<number>.")
    inference: Inference = Field(
        Inference.AUTO,
        description="Inference engine: auto (the fastest one with correct results), eager, "
        "compile, or openvino.",
    )
    precision: Precision = Field(
        Precision.AUTO,
        description="Precision: auto (the lowest that is fast and correct here), fp32, bf16, mixed "
        "(CPU; the first layers in fp32, the others in bf16), fp16 (GPU), or int8 (CPU), which is "
        "another model with features of its own.",
    )
    calibration: Folder | None = Field(
        None,
        description="Folder of pictures that int8 is calibrated with, at least 40. They are part "
        "of the model's identity, so it must not change. Default: included drawings.",
    )
    cache_dir: Folder | None = Field(
        default_factory=_user_cache,
        description="Folder for compiled networks and measured speeds; may be deleted.",
    )
    max_batch: int = Field(
        0,
        ge=0,
        le=1024,
        description="Batch size; 0: 8 on a CPU, on a GPU 128 until the best is measured.",
    )
    queue_size: int = Field(
        256, ge=1, description="Number of queued images at which further requests are refused."
    )
    max_files: int = Field(256, ge=1, description="Most files per request.")
    embed_seconds: float = Field(
        240.0, gt=0, description="Time limit of an embedding request, in seconds."
    )
    hub_seconds: float = Field(
        5.0, gt=0, description="Time limit for connecting to the hub, in seconds."
    )
    torch_threads: int = Field(0, ge=0, description="Threads for inference; 0: one per core.")
    decode_processes: int = Field(0, ge=0, description="Decoding processes; 0: one per core.")
    decode_device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="Where plain JPEGs are decoded: cpu, in processes that a bad file can't harm; "
        "cuda: by the GPU, within the service, for files that are trusted.",
    )
    networks_in_memory: int = Field(4, ge=1, description="Matching networks kept in memory.")
    max_training_images: int = Field(100_000, ge=1, description="Most images used for a training.")

    @field_validator("profile", mode="before")
    @classmethod
    def _no_profile(cls, given: object) -> object:
        # Docker Compose passes an unset variable as an empty string.
        return given or None

    @property
    def visual_backbone(self) -> str:
        """Backbone for search by image: the setting, else the profile's."""
        return self.backbone or BACKBONE[self.profile or Profile.LITE]

    @property
    def tag_backbone(self) -> str:
        """Backbone for search by term: the setting, else the visual one if that is set, else the
        profile's."""
        if self.matching or self.matching_backbone:
            return self.matching or self.matching_backbone
        profile_default = "" if self.backbone else MATCHING_BACKBONE[self.profile or Profile.LITE]
        return profile_default or self.visual_backbone

    @property
    def tag_weights(self) -> str:
        """Weights for search by term; the visual backbone's if both are the same network."""
        if self.matching_weights or self.tag_backbone != self.visual_backbone:
            return self.matching_weights
        return self.weights
