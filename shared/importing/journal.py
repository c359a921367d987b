"""Record of what was imported, so that an import goes on where it ended."""

import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from shared.importing.library import Asset, Library


class Journal:
    """File with a line for each imported asset: its key, its version and the image's id.

    It belongs to one library and one collection. A line that a crash cut off is left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, tuple[str, str]] = {}
        self._file: TextIO | None = None
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    key, version, image_id = json.loads(line)
                except ValueError:
                    continue
                self._done[key] = (version, image_id)

    def __enter__(self) -> Self:
        """Open the file for writing. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8")
        if self._file.tell():
            # The last line may have been cut off.
            self._file.write("\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def is_done(self, asset: Asset) -> bool:
        """Return whether an asset was imported as it is now."""
        return self._done.get(asset.key, ("", ""))[0] == asset.version

    def image_of(self, asset: Asset) -> str | None:
        """Return the id of the image that an asset became, however it is described now."""
        found = self._done.get(asset.key)
        return found[1] if found else None

    def write(self, asset: Asset, image_id: str) -> None:
        """Record that an asset was imported."""
        self._done[asset.key] = (asset.version, image_id)
        if self._file is not None:
            self._file.write(json.dumps([asset.key, asset.version, image_id]) + "\n")
            self._file.flush()


def journal_path(library: Library, collection: str) -> Path:
    """Return where the journal of a library and a collection (its address) is by default."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    name = hashlib.sha256(f"{library.kind} {library.where} {collection}".encode()).hexdigest()[:16]
    return Path(home) / "image-search-engine" / f"{library.kind}-{name}.jsonl"
