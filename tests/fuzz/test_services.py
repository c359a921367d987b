"""A short campaign; `make fuzz` is the long one."""

from pathlib import Path

import pytest

from tests.fuzz.campaign import outcomes


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_answer_is_outside_the_schema_and_none_is_a_failure(tmp_path: Path) -> None:
    for outcome in outcomes(tmp_path, examples=3, seed=1):
        assert not outcome.faults, outcome.told
