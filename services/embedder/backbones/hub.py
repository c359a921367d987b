"""Pretrained weights that may have to be downloaded."""

from services.embedder.hub import check_answers
from shared.core.errors import Misconfigured


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
