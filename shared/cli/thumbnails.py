"""Pictures in terminals that can show them, as strips of squares.

Three ways: the graphics protocol of kitty, the inline images of iTerm2, and half-block characters,
whose halves have a 24-bit colour each.
"""

import base64
import importlib.util
import io
from collections.abc import Mapping, Sequence
from enum import StrEnum

_COLUMNS, _ROWS = 16, 8
_GAP = 2
# Bytes of base64 in one of kitty's escape sequences.
_CHUNK = 4096
_PIXELS = 128

_ESC = "\x1b"
_RESET = f"{_ESC}[0m"
_BLANK = " " * _COLUMNS


class Way(StrEnum):
    """Protocol by which a terminal shows pictures."""

    KITTY = "kitty"
    ITERM = "iterm"
    BLOCKS = "blocks"


def way_of(environment: Mapping[str, str], is_terminal: bool) -> Way | None:
    """Return the protocol by which the terminal shows pictures; None if it can't."""
    term = environment.get("TERM", "")
    if not is_terminal or term in ("", "dumb"):
        return None
    program = environment.get("TERM_PROGRAM", "")
    if term in ("xterm-kitty", "xterm-ghostty"):
        found = Way.KITTY
    elif program in ("iTerm.app", "WezTerm") and not term.startswith(("screen", "tmux")):
        # The only protocol that accepts a JPEG unchanged.
        return Way.ITERM
    elif environment.get("COLORTERM") in ("truecolor", "24bit"):
        found = Way.BLOCKS
    else:
        return None
    return found if importlib.util.find_spec("PIL") else None


def strips(pictures: Sequence[bytes | None], way: Way, width: int, first: int = 1) -> str:
    """Pictures with their ranks below, from `first` on; a place without one is blank.

    `pictures`: JPEG files. `width`: columns of the terminal.
    """
    fit = max(1, (width + _GAP) // (_COLUMNS + _GAP))
    ranked = list(enumerate(pictures, first))
    parts = [ranked[start : start + fit] for start in range(0, len(ranked), fit)]
    return "".join(
        _strip([picture for _, picture in part], way) + _ranks([rank for rank, _ in part])
        for part in parts
    )


def _strip(pictures: Sequence[bytes | None], way: Way) -> str:
    if way is Way.BLOCKS:
        lines = [[_BLANK] * _ROWS if data is None else _blocks(data) for data in pictures]
        return "".join((" " * _GAP).join(row) + "\n" for row in zip(*lines, strict=True))
    # Make room for all of them first, because scrolling during output would move the others.
    text = "\n" * _ROWS + f"{_ESC}[{_ROWS}A"
    for place, data in enumerate(pictures):
        if data is not None:
            column = 1 + place * (_COLUMNS + _GAP)
            drawn = _kitty(data) if way is Way.KITTY else _iterm(data)
            text += f"{_ESC}7{_ESC}[{column}G{drawn}{_ESC}8"
    return text + f"{_ESC}[{_ROWS}B\r"


def _ranks(ranks: Sequence[int]) -> str:
    return (" " * _GAP).join(f"{rank:<{_COLUMNS}}" for rank in ranks).rstrip() + "\n"


def _kitty(data: bytes) -> str:
    text = base64.b64encode(_square_png(data)).decode()
    chunks = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    how = f"a=T,f=100,c={_COLUMNS},r={_ROWS},C=1,q=2,"
    sent = ""
    for number, chunk in enumerate(chunks, 1):
        more = int(number < len(chunks))
        sent += f"{_ESC}_G{how if number == 1 else ''}m={more};{chunk}{_ESC}\\"
    return sent


def _iterm(data: bytes) -> str:
    how = f"inline=1;size={len(data)};width={_COLUMNS};height={_ROWS};doNotMoveCursor=1"
    return f"{_ESC}]1337;File={how}:{base64.b64encode(data).decode()}\a"


def _blocks(data: bytes) -> list[str]:
    """A line of text for each row, whose upper and lower halves are two rows of pixels."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as picture:
        small = ImageOps.fit(picture.convert("RGB"), (_COLUMNS, 2 * _ROWS))
    colours = small.tobytes()
    pixels = [";".join(map(str, colours[at : at + 3])) for at in range(0, len(colours), 3)]
    rows = [pixels[at : at + _COLUMNS] for at in range(0, len(pixels), _COLUMNS)]
    return [
        "".join(map(_half_block, upper, lower)) + _RESET
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]


def _half_block(upper: str, lower: str) -> str:
    return f"{_ESC}[38;2;{upper}m{_ESC}[48;2;{lower}m▀"


def _square_png(data: bytes) -> bytes:
    from PIL import Image, ImageOps

    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        ImageOps.fit(picture.convert("RGB"), (_PIXELS, _PIXELS)).save(out, "PNG")
    return out.getvalue()
