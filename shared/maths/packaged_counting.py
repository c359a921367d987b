"""Countings where no tag teaches one: numbers fitted on other pictures.

Made by `python -m benchmarks expected --write`; docs/MODEL_CARD.md tells of what.
"""

import functools
from importlib import resources

from shared.contracts.counting import Counting
from shared.maths.counting import Counter


@functools.cache
def packaged_words() -> Counting | None:
    """The counting of words that name a label, on pictures without tags."""
    return _read("words_counting.json")


@functools.cache
def packaged_pictures() -> Counter | None:
    """A counter that guesses what matches a picture, for choosing what to ask a person.

    It was fitted on features of one network, so its probabilities are no promise for others.
    """
    learnt = _read("pictures_counting.json")
    return None if learnt is None else Counter(learnt)


def _read(name: str) -> Counting | None:
    file = resources.files("shared.maths").joinpath("assets", name)
    return Counting.model_validate_json(file.read_text("utf-8")) if file.is_file() else None
