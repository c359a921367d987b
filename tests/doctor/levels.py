"""What a check found, in short."""

from collections.abc import Iterable

from shared.doctor.finding import Finding, Level


def worst(found: Iterable[Finding]) -> tuple[Level, str]:
    """The level and sentence of the first finding that isn't ok, or else of the last."""
    every = list(found)
    one = next((one for one in every if one.level is not Level.OK), every[-1])
    return one.level, one.sentence
