"""Names of the colours that pictures are searched by."""

COLORS = (
    *("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink"),
    "brown",
)
"""The basic colours of English."""
MONOCHROME = "monochrome"
"""Beside them: no colour at all, as in a black-and-white photo."""
NAMES = (*COLORS, MONOCHROME)
