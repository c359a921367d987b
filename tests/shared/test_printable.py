"""Text of others in logs: it begins no line and steers no terminal, and JSON stays what it was."""

import json
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core import startup_errors
from shared.core.printable import escaped, escaped_json
from shared.core.settings import LogFormat
from shared.web import logs

FORGED = (
    "cat.jpg\n2026-01-01 00:00:00,000 INFO    indexer - write: {}\r\x1b[2J\x9b31m\u2028\u202etxt"
)
STEERING = [*map(chr, range(0x20)), "\x7f", *map(chr, range(0x80, 0xA0)), *"\u2028\u2029"]
STEERING += [*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]


@pytest.mark.parametrize("character", STEERING, ids=lambda c: f"{ord(c):04x}")
def test_what_steers_is_written_out_and_json_reads_the_same(character):
    assert escaped(f"a{character}b").isascii()
    assert escaped(f"a{character}b").isprintable()
    document = escaped_json(json.dumps([character], ensure_ascii=False))
    assert (json.loads(document), document.isprintable()) == ([character], True)


@given(st.text())
def test_nothing_that_is_left_is_a_control_and_twice_is_as_once(text):
    shown = escaped(text)
    assert escaped(shown) == shown
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert all(
        unicodedata.bidirectional(c)[-1:] not in ("O", "E", "I") for c in shown if c > "\u2000"
    )


def test_letters_of_all_scripts_and_composed_signs_stay():
    text = "Käse, 画像, תמונה, 👩‍👧 e\u0301 a\u00a0b"
    assert escaped(text) == text


@pytest.mark.parametrize("form", list(LogFormat))
def test_a_record_is_one_line_whatever_its_parts_hold(form, capsys, request):
    request.addfinalizer(lambda: logging.basicConfig(level=logging.WARNING, force=True))
    logs.configure("indexer", "info", form)
    logging.getLogger("part").warning("can't read %s", FORGED, extra={"source": FORGED})
    [line] = capsys.readouterr().err.split("\n")[:-1]
    assert line.isprintable()
    assert "INFO    indexer - write" in line
    if form is LogFormat.JSON:
        assert json.loads(line)["source"] == FORGED


def test_a_traceback_forges_no_record(capsys, request):
    request.addfinalizer(lambda: logging.basicConfig(level=logging.WARNING, force=True))
    logs.configure("indexer", "info", LogFormat.TEXT)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("part").exception("it broke")
    first, *others = capsys.readouterr().err.split("\n")[:-1]
    assert first.endswith("part: it broke")
    assert others
    assert all(line.startswith("  | ") and line.isprintable() for line in others)


def test_last_words_are_one_line(capsys):
    startup_errors.say(FORGED)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert text[:-1].isprintable()
