"""A collection over three months."""

from dataclasses import replace

import pytest


@pytest.fixture
def dated(start, pictures):
    """Forty pictures over three months, and five without a date."""
    days = [f"2024-{5 - n // 15:02d}-{28 - n % 15:02d}T12:00:00" for n in range(40)]
    some = [
        replace(
            p, id=f"p{n:02d}", uri=f"trips/{'rome' if n % 2 else 'oslo'}/p{n:02d}.jpg", taken=day
        )
        for n, (p, day) in enumerate(zip(pictures, [*days, *[None] * 5], strict=False))
    ]
    return start(some)
