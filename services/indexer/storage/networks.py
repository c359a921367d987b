"""The matching networks on the data volume; the embedder reads them by their fingerprints.

    networks/<fingerprint>/network.safetensors, report.json, terms.json
    networks/CURRENT    the one that the embedder takes where none is named

Which network an index is made with stands in its snapshot; CURRENT only follows it.
"""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Collection, Set
from pathlib import Path

from shared.contracts.calibration import Calibration
from shared.contracts.embedder import TrainingDone, TrainingReport
from shared.files import durable, sums
from shared.snapshots.items import tag_key

log = logging.getLogger(__name__)

CURRENT = "CURRENT"
_TERMS = "terms.json"
_REPORT = "report.json"
_WEIGHTS = "network.safetensors"
FILES = (_TERMS, _REPORT, _WEIGHTS)
_GRACE_S = 7 * 24 * 3600
"""How long a network stays that no snapshot names: one may be made with it, or be served still."""


class Networks:
    """The folder `networks/`. A network in it never changes."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "networks"

    def keep(self, trained: TrainingDone, terms: Collection[str]) -> None:
        """Stores a network and the keys of the tags that it was trained on.

        It is in use once a snapshot that is made with it is published.
        """
        folder = self._folder / trained.fingerprint
        files = {
            _TERMS: (json.dumps(sorted(terms)).encode(), "network-terms"),
            _REPORT: (trained.report.model_dump_json(indent=1).encode(), "network-report"),
            # Written last, because a network exists once its weights do.
            _WEIGHTS: (trained.network, "network"),
        }
        for name, (data, what) in files.items():
            sums.write(folder / name, hashlib.sha256(data).hexdigest())
            durable.write_bytes(folder / name, data, what)

    def trained_on(self, fingerprint: str) -> set[str] | None:
        """Return the keys of the tags that a network was trained on, or None if unknown."""
        try:
            # Older versions distinguished `_`, `-` and spaces, so normalise again.
            return {tag_key(term) for term in json.loads(self._read(fingerprint, _TERMS))}
        except FileNotFoundError:
            return None

    def labels(self, fingerprint: str) -> str | None:
        """Digest of the named classes that a network begins from; None where it knows tags alone.

        Raises Corrupt.
        """
        try:
            text = self._read(fingerprint, _REPORT)
        except FileNotFoundError:
            return None
        return TrainingReport.model_validate_json(text).labels

    def calibration(self, fingerprint: str) -> list[Calibration]:
        """Return the calibration of the joint space; empty if none was fitted."""
        try:
            text = self._read(fingerprint, _REPORT)
        except FileNotFoundError:
            return []
        return TrainingReport.model_validate_json(text).calibration

    def remove_unless(self, named: Set[str]) -> None:
        """Remove networks that no snapshot names, a week after they were stored."""
        before = time.time() - _GRACE_S
        current = self.current()
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        for folder in folders:
            if folder.name in named or folder.name == current or not folder.is_dir():
                continue
            if folder.stat().st_mtime < before:
                log.info("network %s is removed: no snapshot has it", folder.name)
                shutil.rmtree(folder, ignore_errors=True)

    def _read(self, fingerprint: str, name: str) -> bytes:
        """Raises Corrupt."""
        path = self._folder / fingerprint / name
        data = path.read_bytes()
        sums.check(path, hashlib.sha256(data).hexdigest())
        return data

    def current(self) -> str | None:
        """The fingerprint of the network that was in use last."""
        try:
            return (self._folder / CURRENT).read_text().strip()
        except FileNotFoundError:
            return None

    def use(self, fingerprint: str) -> None:
        """Make a network the default."""
        if fingerprint != self.current():
            durable.write_text(self._folder / CURRENT, fingerprint, "network-current")
