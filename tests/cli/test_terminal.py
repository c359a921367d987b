"""Whatever a file's name or an answer holds, `ise` steers no terminal with it."""

import io
import re

import pytest
from rich.table import Table
from rich.text import Text

from shared.cli.progress import ProgressView
from shared.cli.session import print_error
from shared.cli.terminal import Terminal
from shared.contracts.jobs import Failure
from shared.core.errors import InvalidInput

EVIL = "a\x1b[31m\nb\x9b2J\r\u202egpj.exe\u2028\x7f"
SHOWN = "a\\x1b[31m\\nb\\x9b2J\\r\\u202egpj.exe\\u2028\\x7f"


def unsteered(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_a_string_is_one_line_and_a_text_has_its_own():
    out = io.StringIO()
    terminal = Terminal(file=out, width=1000)
    terminal.print(EVIL)
    terminal.print(Text(EVIL))
    assert out.getvalue().split("\n")[0] == SHOWN
    assert unsteered(out.getvalue())


def test_colours_and_tables_are_as_before_on_a_terminal():
    out = io.StringIO()
    terminal = Terminal(file=out, width=60, force_terminal=True, color_system="standard")
    table = Table()
    table.add_column("uri")
    table.add_row(Text(EVIL, style="red"))
    terminal.print(table)
    assert "\x1b[31m" in out.getvalue()
    # rich's own colours aside, nothing is left.
    assert unsteered(re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()))


def test_an_error_of_a_service_is_one_sentence_in_one_line():
    out = io.StringIO()
    print_error(Terminal(file=out, width=1000), InvalidInput(EVIL, last_lines=[EVIL]))
    assert out.getvalue() == f"{SHOWN}\n  {SHOWN}\n"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_stage_of_a_job_is_shown_in_one_line(services, is_terminal):
    out = io.StringIO()
    terminal = Terminal(file=out, width=200, force_terminal=is_terminal, color_system=None)
    with ProgressView(terminal) as show:
        show(services.job(progress={"stage": EVIL}))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).replace("\r", "")
    assert SHOWN in text
    assert unsteered(text)


def test_failures_of_a_job_and_files_that_cannot_be_read(fake, ise, services, tmp_path):
    fake.steps = [services.job(state="succeeded", progress={"done": 1, "failed": 1})]
    fake.failures = [Failure(path=EVIL, reason=f"{EVIL} is empty.")]
    done = ise("ingest", "photos")
    assert SHOWN in done.err
    assert unsteered(done.err)
    done = ise("add", "--", EVIL)
    assert done.code == 1
    assert SHOWN in done.out
    assert unsteered(done.out)


def test_results_as_json_are_the_same_to_a_program_and_harmless_on_a_screen(fake, ise, services):
    fake.steps = [services.job(state="succeeded", result={"note": EVIL})]
    done = ise("build", "--json")
    assert done.json["result"] == {"note": EVIL}
    assert unsteered(done.out)


def test_a_file_that_is_named_like_an_option(ise):
    done = ise("add", "--\x1b[2Jx")
    assert done.code == 2
    assert "\x1b[2J" not in done.err
