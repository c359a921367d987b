"""`ise doctor`: finds problems of the installation, with advice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import typer
from rich.text import Text

from shared.cli.session import AsJson, load_settings, session
from shared.core.errors import Misconfigured
from shared.core.printable import escaped
from shared.core.settings import Settings
from shared.doctor import connectivity, machine
from shared.doctor import settings as set_up
from shared.doctor.finding import Finding, Level
from shared.doctor.subprocess_findings import heard

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


def doctor(as_json: AsJson = False) -> None:
    """Check settings, packages, files, ports and services. Exits with 1 if it finds a problem."""
    with session(as_json) as opened:
        found = list(findings())
        worst = any(one.level is Level.PROBLEM for one in found)
        if as_json:
            body = [
                {"level": one.level.value, "subject": one.subject, "sentence": one.sentence}
                for one in found
            ]
            opened.write_json({"ok": not worst, "findings": body})
        else:
            for one in found:
                level = (f"{one.level.value:<8}", _COLOURS[one.level])
                line = Text.assemble(level, escaped(f"{one.subject}: {one.sentence}"))
                opened.out.print(line, soft_wrap=True)
    raise typer.Exit(1 if worst else 0)


def findings() -> Iterator[Finding]:
    """All of them, from this process outwards."""
    yield from machine.findings()
    known = {name.upper() for name in Settings.model_fields}
    findings: list[Finding] = []
    # Each check is a process, which spends its time on imports.
    with ThreadPoolExecutor(len(connectivity.NAMES)) as pool:
        for names, found in pool.map(heard, connectivity.NAMES):
            known |= names
            findings += found
    yield from set_up.unknown(known)
    # Report a setting once, even if several services read it.
    yield from dict.fromkeys(findings)
    try:
        settings = load_settings(Settings)
    except Misconfigured:
        return
    yield from set_up.at_odds(settings)
    yield from connectivity.findings(settings)
