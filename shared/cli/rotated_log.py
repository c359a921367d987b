"""Log file of a service, which never grows past a bound."""

from pathlib import Path

MOST_BYTES = 64 * 2**20


class RotatedLog:
    """Writes lines to a file; a full one is kept as `<name>.log.1`, in place of the one before."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._most = most_bytes
        self._file = path.open("w", encoding="utf-8")
        self._bytes = 0

    def write(self, line: str) -> None:
        text = line + "\n"
        size = len(text.encode("utf-8", "replace"))
        if self._bytes and self._bytes + size > self._most:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = self._path.open("w", encoding="utf-8")
            self._bytes = 0
        self._file.write(text)
        self._file.flush()
        self._bytes += size

    def close(self) -> None:
        self._file.close()
