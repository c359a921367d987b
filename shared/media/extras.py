"""Formats that need a package of an extra."""

from shared.core.errors import BadImage


def missing(kind: str, extra: str) -> BadImage:
    """Return the reason why files of a format are refused where an extra isn't installed."""
    return BadImage(
        f"{kind} files need pip install 'image-search-engine[{extra}]' where the embedder and the "
        "indexer run."
    )
