"""Orders of images."""

from shared.contracts.base import Choice


class Sort(Choice):
    """Order of all pictures; `-` begins with the newest. Pictures without a date come last."""

    NEWEST_ADDED = "-added"
    ADDED = "added"
    TAKEN = "taken"
    NEWEST_TAKEN = "-taken"
    NAME = "name"

    @property
    def is_descending(self) -> bool:
        return self.value.startswith("-")

    @property
    def field(self) -> str:
        return self.value.removeprefix("-")


class SearchSort(Choice):
    """Order of a search's hits: by relevance, or its matches as all images are sorted."""

    RELEVANCE = "relevance"
    NEWEST_ADDED = "-added"
    ADDED = "added"
    TAKEN = "taken"
    NEWEST_TAKEN = "-taken"
    NAME = "name"

    @property
    def images(self) -> Sort | None:
        """The order of all images, or None for relevance."""
        return None if self is SearchSort.RELEVANCE else Sort(self.value)
