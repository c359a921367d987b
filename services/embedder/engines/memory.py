"""Cache of engine choices and compiled networks, in files that may be deleted at any time."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from services.embedder.engines import processor
from services.embedder.engines.speed import Speed
from services.embedder.fingerprint import short_digest
from shared.files import durable

# Raise this number when the criterion for refusing engines changes.
_FORMAT = 1
_PACKAGES = ("torch", "openvino")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """The chosen engine, its speed and the images of a pass, and those whose features were wrong.

    `at_once`: 0 where the engine doesn't care. `batch`: the best size of batches; 0: not measured.
    """

    chosen: str
    refused: frozenset[str] = frozenset()
    speed: Speed | None = None
    at_once: int = 0
    batch: int = 0


class Memory:
    """Stored choices for one model, processor and set of versions; nothing is stored if `folder` is
    None.
    """

    def __init__(self, folder: Path | None, fingerprint: str, device: torch.device) -> None:
        circumstances = {
            "format": _FORMAT,
            "processor": processor.name(device),
            "threads": torch.get_num_threads(),
            "versions": {package: _version(package) for package in _PACKAGES},
        }
        self._folder = folder and folder / "engines" / fingerprint / short_digest(circumstances)

    def file(self, name: str) -> Path | None:
        """Return the path of a file of that name, which need not exist."""
        return self._folder and self._folder / name

    def recall(self, asked: str) -> Choice | None:
        """Return the stored choice for the same settings."""
        path = self.file(f"{asked}.json")
        if path is None or not path.is_file():
            return None
        try:
            content = json.loads(path.read_text())
            refused = frozenset(map(str, content.get("refused", ())))
            at_once, batch = (int(content.get(name, 0)) for name in ("at_once", "batch"))
            return Choice(
                str(content["chosen"]), refused, Speed.read(content.get("speed")), at_once, batch
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s can't be read, so engines are measured again (%s)", path, error)
            return None

    def keep(self, asked: str, choice: Choice, rates: Mapping[str, float]) -> None:
        """Writes a choice down, if it can be."""
        path = self.file(f"{asked}.json")
        if path is None:
            return
        content = {
            "chosen": choice.chosen,
            "refused": sorted(choice.refused),
            "images_per_second": dict(rates),
            "speed": choice.speed and choice.speed.stored(),
            "at_once": choice.at_once,
            "batch": choice.batch,
        }
        try:
            durable.write_text(path, json.dumps(content, indent=1) + "\n")
        except OSError as error:
            log.warning(
                "the choice can't be stored, so each start measures again; set "
                "ISE_CACHE_DIR to a folder that can be written to (%s)",
                error,
            )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
