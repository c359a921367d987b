"""The commands beside the promises of RELIABILITY.md and SECURITY.md name tests that there are."""

import re
import shlex

import pytest

from tests.e2e.engine import REPOSITORY

_COMMANDS = [
    (name, command)
    for name in ("RELIABILITY", "SECURITY")
    for command in re.findall(
        r"`pytest ([^`]+)`", (REPOSITORY / "docs" / f"{name}.md").read_text(encoding="utf-8")
    )
]


def test_there_are_some() -> None:
    assert {name for name, _ in _COMMANDS} == {"RELIABILITY", "SECURITY"}


@pytest.mark.parametrize(("document", "command"), _COMMANDS)
def test_each_command_chooses_a_test(document: str, command: str) -> None:
    path, *options = shlex.split(command)
    found = REPOSITORY / path
    files = [found] if found.is_file() else sorted(found.rglob("test_*.py"))
    assert files, f"{document}.md: there is no {path}"
    names = [
        name
        for file in files
        for name in re.findall(
            r"^ *(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE
        )
    ]
    if "-k" in options:
        words = options[options.index("-k") + 1].split(" or ")
        for word in words:
            assert [name for name in names if word in name], f"{document}.md: -k {word}"
    assert names
