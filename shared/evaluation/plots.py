"""Line plots as inline SVG."""

from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 44
_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#9a6700")
_TICKS = 5

Points = Sequence[tuple[float, float]]


def lines(series: Sequence[tuple[str, Points]], x: str, y: str, diagonal: bool = False) -> str:
    """One line a series, on common axes; `diagonal` adds the one on which y is x."""
    points = [point for _, points_of_series in series for point in points_of_series]
    if not points:
        return ""
    lows, highs = _range([p[0] for p in points]), _range([p[1] for p in points])
    if diagonal:
        lows = highs = (0.0, 1.0)
    parts = [_axes(lows, highs, x, y)]
    if diagonal:
        start, end = _place((0, 0), lows, highs), _place((1, 1), lows, highs)
        parts.append(f'<path d="M{start}L{end}" stroke="#999" stroke-dasharray="4" fill="none"/>')
    for number, (name, points_of_series) in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        places = [_place(point, lows, highs) for point in points_of_series]
        parts.append(f'<path d="M{"L".join(places)}" stroke="{colour}" fill="none"/>')
        for place in places:
            cx, cy = place.split(",")
            parts.append(f'<circle cx="{cx}" cy="{cy}" r="3" fill="{colour}"/>')
        at = _TOP + 14 * (number + 1)
        parts.append(f'<text x="{_LEFT + 10}" y="{at}" fill="{colour}">{escape(name)}</text>')
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'role="img" aria-label="{escape(y)} against {escape(x)}">{"".join(parts)}</svg>'
    )


def _axes(lows: tuple[float, float], highs: tuple[float, float], x: str, y: str) -> str:
    right, low = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [f'<path d="M{_LEFT},{_TOP}V{low}H{right}" stroke="#666" fill="none"/>']
    for tick in range(_TICKS + 1):
        share = tick / _TICKS
        across = lows[0] + share * (lows[1] - lows[0])
        up = highs[0] + share * (highs[1] - highs[0])
        at_x = _LEFT + share * (right - _LEFT)
        at_y = low - share * (low - _TOP)
        parts.append(
            f'<text x="{at_x:.1f}" y="{low + 16}" text-anchor="middle">{across:.3g}</text>'
        )
        parts.append(f'<text x="{_LEFT - 6}" y="{at_y + 4:.1f}" text-anchor="end">{up:.3g}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x)}</text>')
    turn = f"rotate(-90 12 {(_TOP + low) / 2})"
    parts.append(
        f'<text x="12" y="{(_TOP + low) / 2}" text-anchor="middle" transform="{turn}">'
        f"{escape(y)}</text>"
    )
    return "".join(parts)


def _place(
    point: tuple[float, float], lows: tuple[float, float], highs: tuple[float, float]
) -> str:
    across = (point[0] - lows[0]) / (lows[1] - lows[0])
    up = (point[1] - highs[0]) / (highs[1] - highs[0])
    x = _LEFT + across * (_WIDTH - _RIGHT - _LEFT)
    y = _HEIGHT - _BOTTOM - up * (_HEIGHT - _BOTTOM - _TOP)
    return f"{x:.1f},{y:.1f}"


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
