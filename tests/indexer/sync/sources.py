"""Write folders to follow, and read what a sync made of them."""

from pathlib import Path

from shared.media.identity import content_id
from tests.indexer.following import Collection

ACTIONS = ("add", "change", "move", "copy", "retag", "delete")


def done(result) -> dict[str, int]:
    return {action: result[action] for action in ACTIONS if result[action]}


def folder(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def image(here: Collection, content: str) -> tuple[list[str], list[str]] | None:
    """The uris and tags of the image with these bytes."""
    return here.all().get(content_id(content.encode()))


def tag(here: Collection, content: str, *tags: str) -> None:
    here.images.patch(content_id(content.encode()), list(tags), None)
