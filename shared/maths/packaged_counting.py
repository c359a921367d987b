"""How to count the matches of a word where no tag teaches it: numbers fitted on other pictures.

Made by `python -m benchmarks expected-words --write`; docs/MODEL_CARD.md tells of what.
"""

import functools
from importlib import resources

from shared.contracts.counting import Counting

_FILE = "words_counting.json"


@functools.cache
def packaged_words() -> Counting | None:
    """The counting of words on pictures without tags; None where none is packaged."""
    file = resources.files("shared.maths").joinpath("assets", _FILE)
    return Counting.model_validate_json(file.read_text("utf-8")) if file.is_file() else None
