"""The receipt of a model change in words, for a terminal."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.cli.progress import duration
from shared.contracts.model_change import ModelChange


def read_receipt(result: Mapping[str, Any] | None) -> ModelChange | None:
    """Return the receipt in a job's result; None where there is none that this version reads."""
    told = (result or {}).get("receipt")
    if told is None:
        return None
    try:
        return ModelChange.model_validate(told)
    except ValidationError:
        return None


def change_words(receipt: ModelChange) -> str:
    """Say what was expected of a change, and what came."""
    expected, came = receipt.expected, receipt.came
    if expected is not None:
        words = (
            f"P@10 expected {expected.change:+.2f} ({expected.low:+.2f} to {expected.high:+.2f})"
        )
        if came is not None:
            words += f", came {came.change:+.2f} ({came.before:.2f} to {came.after:.2f})"
        return f"{words}, by a sample of {receipt.sample:,} pictures."
    shared = (
        f"Of the ten nearest of a picture, both models have {receipt.agreement:.0%} in common, in "
        f"a sample of {receipt.sample:,}."
    )
    if (judged := receipt.judged) is not None:
        shared += (
            f" Of {judged.pairs:,} judged pairs, the former model orders {judged.former:.0%} "
            f"right, the new one {judged.new:.0%}."
        )
    return f"{shared} {receipt.note}" if receipt.note else shared


def cost_words(receipt: ModelChange) -> str:
    """Say what a change takes."""
    disk = f"{receipt.disk_bytes / 2**20:,.0f} MiB of disk space beside the present index"
    if receipt.seconds is None or receipt.per_second is None:
        return f"{receipt.pictures:,} pictures take {disk}."
    return (
        f"{receipt.pictures:,} pictures, at {receipt.per_second:,.0f} a second: about "
        f"{duration(receipt.seconds)}, and {disk}."
    )


def outcome(result: Mapping[str, Any] | None) -> str:
    """Say in a few words what came of a job that changed the model; nothing of another job."""
    receipt = read_receipt(result)
    if receipt is None or receipt.expected is None:
        return ""
    expected = f"expected {receipt.expected.change:+.2f} P@10"
    return expected if receipt.came is None else f"{expected}, came {receipt.came.change:+.2f}"
