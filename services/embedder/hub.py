"""Reachability check before a download: the server is asked once, briefly, before a library tries.

The libraries retry for minutes where there is no network, and some have no timeout at all.
"""

import urllib.error
import urllib.request

from shared.core.errors import Misconfigured


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


def check_reachable(url: str, seconds: float, what: str, setting: str) -> None:
    """Raises Misconfigured, with the ways out, where `url` gives no answer within `seconds`.

    `what`: the weights, in words; `setting`: the variable that names a local file instead.
    """
    try:
        check_answers(url, seconds)
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise Misconfigured(unavailable(what, setting, str(reason))) from error


def unavailable(what: str, setting: str, reason: str) -> str:
    """The sentence for weights that can't be had."""
    return (
        f"The weights of {what} are not on this machine and can't be downloaded ({reason}). Set "
        f"{setting} to a local safetensors file, or ISE_PROFILE=mini (without ISE_BACKBONE), "
        "which needs no download."
    )
