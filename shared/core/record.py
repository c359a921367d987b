"""Immutable records of a search: checked by the type checker alone, so that they are made fast."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a dataclass whose fields nothing may assign.

    Type checkers see to that. A frozen dataclass does so at run time, too, for which it takes ten
    times as long to make; a search makes twenty.
    """
    return dataclass(cls)
