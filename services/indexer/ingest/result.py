"""What an ingest has done."""

from dataclasses import dataclass, field

MOST_NOTES = 1000


@dataclass
class IngestResult:
    """Result of an ingest: `embedded` images were new to the model.

    `replaced`: images whose file contains another picture now. `file_notes`: damage of pictures
    that were added nevertheless, `{path, note}`, up to a thousand.
    """

    files: int = 0
    embedded: int = 0
    already_there: int = 0
    failed: int = 0
    replaced: int = 0
    file_notes: list[dict[str, str]] = field(default_factory=list)

    def note(self, path: str, note: str) -> None:
        """Record a note on a picture, up to a limit."""
        if len(self.file_notes) < MOST_NOTES:
            self.file_notes.append({"path": path, "note": note})
