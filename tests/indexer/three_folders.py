"""Three folders of three files, and what a sync of them does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.media.identity import content_id
from tests.indexer.following import Collection, collection

ACTIONS = ("add", "change", "move", "copy", "retag", "delete")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Collection]:
    """A collection that follows nothing yet."""
    with collection(tmp_path / "data") as found:
        yield found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three folders of three pictures, one of which has a folder in it."""
    names = [f"{f}/{n}.png" for f in ("dog", "cat", "trips/far") for n in range(3)]
    return write(tmp_path / "source", *names, "trips/near.png")


def write(root: Path, *names: str) -> Path:
    """Write files whose contents are their names; return the root."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def image(name: str) -> str:
    """Return the id of the image of a file that `write` wrote."""
    return content_id(name.encode())


def follow(here: Collection, root: Path, **options) -> dict[str, int]:
    """Sync without consent; return what was done, and the files of the folders held back."""
    result = here.sync(root, **{"force": False, **options})
    return {action: result[action] for action in ACTIONS if result[action]} | {
        one["folder"]: one["files"] for one in result.get("held_back", ())
    }
