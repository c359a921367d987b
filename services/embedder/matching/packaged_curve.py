"""Probability of a hit by word where no tag teaches it: numbers fitted on other pictures.

Made by `python -m benchmarks words-probability --write`; docs/MODEL_CARD.md tells of what.
"""

import json
from importlib import resources
from typing import Any

from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric

_FILE = "untagged_curve.json"


def packaged_curves() -> list[Calibration]:
    """The curves of joint spaces that have only labels to begin from, for each metric."""
    text = resources.files("services.embedder").joinpath("assets", _FILE).read_text("utf-8")
    numbers: dict[str, Any] = json.loads(text)
    return [
        Calibration(space="joint", metric=metric, untrained=True, standardized=True, **numbers)
        for metric in Metric
    ]
