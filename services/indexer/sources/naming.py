"""Tags from the names of folders, whatever those names are."""

from services.indexer.sources.annotations import parse_tags
from shared.core.errors import InvalidInput

_LONGEST = 200


class FolderTags:
    """Derives a file's tag from its folder; an invalid folder name doesn't exclude the file.

    `shortened`: names of folders that were truncated; `left_out`: those that can't be tags.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}
        self.shortened: list[str] = []
        self.left_out: list[str] = []

    def of(self, uri: str) -> tuple[str, ...]:
        """Return the tag of the folder that a file is in, by the file's path within its source."""
        folder = uri.rpartition("/")[0].rpartition("/")[2]
        if folder not in self._known:
            self._known[folder] = self._parsed(folder)
        return self._known[folder]

    def notes(self) -> list[str]:
        """Return sentences on the folder names that could not be tags as they are."""
        found = []
        if self.shortened:
            found.append(
                f"{_folders(self.shortened)} over {_LONGEST} characters; the tag was cut to that."
            )
        if self.left_out:
            found.append(
                f"{_folders(self.left_out)} not usable as a tag; its pictures go without it."
            )
        return found

    def _parsed(self, folder: str) -> tuple[str, ...]:
        try:
            return parse_tags([folder] if folder else [])
        except InvalidInput:
            # Usually the name is too long, in characters or in bytes.
            short = folder[:_LONGEST]
        try:
            tags = parse_tags([short]) if short != folder else ()
        except InvalidInput:
            tags = ()
        (self.shortened if tags else self.left_out).append(folder)
        return tags


def _folders(names: list[str]) -> str:
    if len(names) == 1:
        return f"The folder {names[0][:40]!r}… has a name that is"
    return f"{len(names):,} folders, such as {names[0][:40]!r}…, have names that are"
