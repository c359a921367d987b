"""Time of the last finished backup of a data directory: a file's one line."""

from datetime import datetime
from pathlib import Path

from shared.files import durable

NAME = "last_backup"


def note(data_dir: Path, created_at: str) -> None:
    """`created_at`: ISO 8601."""
    durable.write_text(data_dir / NAME, f"{created_at}\n")


def when(data_dir: Path) -> float:
    """Return Unix seconds; 0 if there was no backup, or it is unknown."""
    try:
        return datetime.fromisoformat((data_dir / NAME).read_text().strip()).timestamp()
    except (OSError, ValueError):
        return 0.0
