"""The embedder's settings, each read from `ISE_<NAME>`."""

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.profiles import BACKBONE, MATCHING_BACKBONE, Profile
from shared.core.settings import Folder, ServiceSettings


def _user_cache() -> Path | None:
    """The folder for this program's caches, as the XDG base directories have it."""
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
        description="`lite`: EfficientNet-Lite0, whose weights a package brings. `mini`: a small "
        "network in this package. `classic`: inception_resnet_v2, and resnet50 for matching, from "
        "the hub. Unset: the one that made the collection, else `lite`.",
    )
    backbone: str = Field(
        "",
        description="`lite`, `mini`, any timm name, or `torchvision/<name>`; empty: the profile's.",
    )
    weights: str = Field("", description="A local safetensors file for the backbone.")
    matching: str = Field(
        "",
        description="`open_clip:<model>`: its towers of images and text in place of word vectors "
        "and a matching network; empty: these.",
    )
    matching_backbone: str = Field("", description="Backbone of tag -> image; empty: the same.")
    matching_weights: str = Field("", description="A local safetensors file for it.")
    words: str = Field(
        "",
        description="A word2vec or GloVe file, or a gensim-downloader name; empty: the packaged.",
    )

    device: str = Field("auto", description="auto, cpu, cuda, or cuda:<number>.")
    inference: Inference = Field(
        Inference.AUTO,
        description="auto: the fastest here of those that agree; or eager, compile, openvino.",
    )
    precision: Precision = Field(
        Precision.AUTO,
        description="auto: the lowest at full speed here; or fp32, bf16, fp16 (on a GPU).",
    )
    cache_dir: Folder | None = Field(
        default_factory=_user_cache,
        description="For compiled networks and what was measured; may be deleted.",
    )
    max_batch: int = Field(
        0,
        ge=0,
        le=1024,
        description="Images in one pass of a network; 0: 8 on a CPU, 128 on a GPU.",
    )
    queue_size: int = Field(
        256, ge=1, description="Images in hand at which further calls are turned away."
    )
    max_files: int = Field(256, ge=1, description="Files in one call.")
    embed_seconds: float = Field(240.0, gt=0, description="Deadline of one embedding call.")
    hub_seconds: float = Field(5.0, gt=0, description="How long the hub may take to be reached.")
    torch_threads: int = Field(0, ge=0, description="Threads of one pass; 0: one a core.")
    decode_processes: int = Field(0, ge=0, description="Processes that decode; 0: one a core.")
    decode_seconds: float = Field(20.0, gt=0, description="How long one image may take to decode.")
    decode_bytes: int = Field(
        2 * 1024**3, ge=256 * 1024**2, description="Memory of one process that decodes."
    )
    networks_in_memory: int = Field(4, ge=1, description="Matching networks kept loaded.")
    max_training_images: int = Field(
        100_000, ge=1, description="Images that a training draws from a larger set."
    )

    @field_validator("profile", mode="before")
    @classmethod
    def _no_profile(cls, given: object) -> object:
        # Docker Compose passes an unset variable as an empty string.
        return given or None

    @property
    def visual_backbone(self) -> str:
        """The backbone of image -> image: as set, else the profile's."""
        return self.backbone or BACKBONE[self.profile or Profile.LITE]

    @property
    def tag_backbone(self) -> str:
        """The backbone of tag -> image: as set, else the visual one where that is set, else the
        profile's."""
        if self.matching or self.matching_backbone:
            return self.matching or self.matching_backbone
        profile_default = "" if self.backbone else MATCHING_BACKBONE[self.profile or Profile.LITE]
        return profile_default or self.visual_backbone

    @property
    def tag_weights(self) -> str:
        """The weights of the backbone of tag -> image.

        Those of the visual backbone serve it too where both are the same network.
        """
        if self.matching_weights or self.tag_backbone != self.visual_backbone:
            return self.matching_weights
        return self.weights
