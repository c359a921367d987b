"""Reachability check before a download: one quick request before a library tries.

The libraries retry for minutes without a network, and some have no timeout at all.
"""

import urllib.error
import urllib.request

from shared.core.errors import Misconfigured


def check_answers(url: str, seconds: float) -> None:
    """Raise OSError unless `url` answers within `seconds`.

    Any status is accepted, because the downloading library reports errors better.
    """
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the libraries' own, https
    try:
        with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
            return
    except urllib.error.HTTPError:
        return


def check_reachable(url: str, seconds: float, what: str, setting: str) -> None:
    """Raise Misconfigured, with advice, unless `url` answers within `seconds`.

    `what`: name of the weights; `setting`: the variable for a local file instead.
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
