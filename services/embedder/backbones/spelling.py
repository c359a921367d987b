"""Names of networks that are like one that doesn't exist."""

import difflib
from collections.abc import Sequence

_SHOWN = 3


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return ` Did you mean a, b?` with names that contain the given one or are spelt similarly, or
    an empty string.
    """
    holding = [one for one in known if name and name in one]
    close = holding[:_SHOWN] or difflib.get_close_matches(name, known, _SHOWN)
    return f" Did you mean {', '.join(close)}?" if close else ""
