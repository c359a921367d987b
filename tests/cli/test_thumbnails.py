"""Pictures in a terminal: which way is taken, and what is written."""

import base64
import io
import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from shared.cli.thumbnails import Way, strips, way_of


def jpeg(left, right, size=(160, 160)):
    picture = Image.new("RGB", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty"}, Way.KITTY),
        ({"TERM": "xterm-ghostty", "COLORTERM": "truecolor"}, Way.KITTY),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, Way.ITERM),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Way.BLOCKS),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app", "COLORTERM": "24bit"}, Way.BLOCKS),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, None),
        ({}, None),
    ],
)
def test_the_terminal_says_what_it_can_show(environment, way):
    assert way_of(environment, is_terminal=True) is way
    assert way_of(environment, is_terminal=False) is None


def test_half_blocks_have_the_colours_of_the_picture():
    text = strips([jpeg("red", "blue"), None], Way.BLOCKS, width=80, first=11)
    *rows, ranks = text.splitlines()
    assert len(rows) == 8
    for row in rows:
        cells = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+)m\x1b\[48;2;(\d+);(\d+);(\d+)m▀", row)
        assert len(cells) == 16
        colours = [tuple(map(int, cell)) for cell in cells]
        assert all(r > 200 > 60 > b for r, _, b, *_ in colours[:7])
        assert all(b > 200 > 60 > r for r, _, b, *_ in colours[9:])
        assert row.endswith("\x1b[0m" + " " * 18)
    assert ranks.split() == ["11", "12"]


def test_kitty_gets_a_png_in_chunks():
    noise = Image.effect_noise((160, 160), 90).convert("RGB")
    noise.paste("red", (0, 0, 40, 160))
    out = io.BytesIO()
    noise.save(out, "JPEG")
    text = strips([out.getvalue()], Way.KITTY, width=80)
    sent = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert len(sent) > 1
    assert "f=100" in sent[0][0]
    assert [how[-3:] for how, _ in sent] == ["m=1"] * (len(sent) - 1) + ["m=0"]
    assert all(len(data) <= 4096 for _, data in sent)
    png = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in sent))))
    assert (png.format, png.width) == ("PNG", png.height)
    assert png.getpixel((5, 60))[0] > 200 > 90 > png.getpixel((5, 60))[2]


def test_iterm_gets_the_file_itself():
    data = jpeg("red", "blue")
    text = strips([data, data], Way.ITERM, width=80)
    sent = re.findall(r"\x1b\]1337;File=([^:]*):([^\a]*)\a", text)
    assert [base64.b64decode(one) for _, one in sent] == [data, data]
    assert all(f"size={len(data)}" in how for how, _ in sent)


def test_as_many_stand_side_by_side_as_fit():
    data = jpeg("red", "red")
    assert len(strips([data] * 5, Way.BLOCKS, width=36).splitlines()) == 3 * 9
    assert len(strips([data] * 5, Way.BLOCKS, width=10).splitlines()) == 5 * 9


def on_a_terminal(*arguments):
    """What the command writes to a terminal of its own."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    command = [sys.executable, "-m", "shared.cli.main", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            written += part
        assert process.wait() == 0
    os.close(ours)
    return written.decode()


@pytest.mark.slow
def test_search_shows_pictures_on_a_terminal_only(fake, ise):
    fake.thumbnail = jpeg("red", "blue")
    assert "▀" in on_a_terminal("search", "--term", "cat")
    assert "▀" not in on_a_terminal("search", "--term", "cat", "--no-thumbnails")
    assert "▀" not in on_a_terminal("search", "--term", "cat", "--json")
    assert "▀" not in ise("search", "--term", "cat").out
    fake.thumbnail = None
    assert "▀" not in on_a_terminal("search", "--term", "cat")
