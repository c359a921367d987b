"""Comparison of floats that two calls computed.

They are never compared to the last bit, which depends on the processor, the engine, the number of
threads and the batch; `shared/maths/floats.py` says how far that goes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel

from shared.contracts.answer import Hit
from shared.maths.floats import SAME_FEATURES, furthest

SAME_PROBABILITY = 0.02
"""A calibration is fitted to ranks: two pictures that swap their places move it by a step."""


def assert_same(found: ArrayLike, expected: ArrayLike) -> None:
    """Fail unless features (n, dim) or (dim,) are the same but for rounding."""
    apart = furthest(np.atleast_2d(np.asarray(found)), np.atleast_2d(np.asarray(expected)))
    assert apart <= SAME_FEATURES, f"features are {apart:.2g} apart"


def alike(expected: Any) -> Any:
    """Return what equals a value, each float in it but for rounding: `assert found == alike(x)`.

    Takes numbers, text, lists, tuples, sets without floats, dictionaries and wire models.
    """
    if isinstance(expected, float):
        # Scores and distances of features of unit length differ by no more than the features do.
        return pytest.approx(expected, rel=SAME_FEATURES, abs=SAME_FEATURES)
    if isinstance(expected, BaseModel):
        return _Model(expected)
    if isinstance(expected, dict):
        return {key: _field(key, value) for key, value in expected.items()}
    if isinstance(expected, list | tuple):
        return type(expected)(map(alike, expected))
    return expected


class _Model:
    """Equals a wire model whose fields are alike."""

    def __init__(self, expected: BaseModel) -> None:
        self._kind, self._fields = type(expected), alike(expected.model_dump())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self._kind) and bool(other.model_dump() == self._fields)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self._kind.__name__} like {self._fields}"


def _field(name: Any, value: Any) -> Any:
    if name == "probability" and value is not None:
        return pytest.approx(value, abs=SAME_PROBABILITY)
    return alike(value)


def assert_same_hits(
    found: Sequence[Hit | tuple[Any, ...]], expected: Sequence[Hit | tuple[Any, ...]]
) -> None:
    """Fail unless two answers hold the same hits: wire models, or tuples (id, distance, ...).

    Those at one distance, but for rounding, may stand in either order.
    """
    rows, wanted = [_row(hit) for hit in found], [_row(hit) for hit in expected]
    assert sorted(one for one, *_ in rows) == sorted(one for one, *_ in wanted)
    away = {one: distance for one, distance, _ in wanted}
    assert [away[one] for one, *_ in rows] == alike([distance for _, distance, _ in wanted])
    told = {one: (distance, rest) for one, distance, rest in wanted}
    for one, *rest in rows:
        assert tuple(rest) == alike(told[one]), one


def _row(hit: Hit | tuple[Any, ...]) -> tuple[str, float, Any]:
    if isinstance(hit, Hit):
        # Two collections of the same pictures took them in at different times.
        told = hit.model_dump(exclude={"explain", "added_at"})
        return told.pop("id"), told.pop("distance"), told
    one, distance, *rest = hit
    return one, distance, rest


def least_cosine(found: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """The least cosine between rows of two tables, (n, dim)."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((found * expected).sum(axis=1) / norms).min())
