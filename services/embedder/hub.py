"""Reachability check before a download: the server is asked once, briefly, before a library tries.

The libraries retry for minutes where there is no network, and some have no timeout at all.
"""

import urllib.error
import urllib.request


def check_answers(url: str, seconds: float) -> None:
    """Raises OSError where nothing at `url` answers within `seconds`.

    Any status will do: what is wrong with it, the library that downloads says better.
    """
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the libraries' own, https
    try:
        with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
            return
    except urllib.error.HTTPError:
        return
