"""Settings that are invalid, unknown, or contradictory."""

import difflib
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import SettingsError

from shared.core.settings import Settings
from shared.core.validation import verdict
from shared.doctor.finding import Finding, ok, problem, warning

OTHERS = {
    "ISE_DEBUG",
    "ISE_IMPORT_KEY",
    "ISE_FAILPOINTS",
    "ISE_PICTURES",
    "ISE_SOURCES",
    "ISE_QUERY_MEMORY",
    "ISE_INDEXER_MEMORY",
    "ISE_EMBEDDER_MEMORY",
    "ISE_TORCH_INDEX",
    "ISE_STOP_GRACE",
    "ISE_REFERENCE_DATA",
    "ISE_REQUIRE_ALL",
}
"""Settings of the compose files, commands, the tests and developers; not of a service."""
_PREFIX = "ISE_"


def given() -> dict[str, str]:
    """Every `ISE_` setting of the environment and of `.env`, which comes second."""
    both = {**dotenv_values(".env"), **os.environ}
    return {
        name.upper(): value or ""
        for name, value in both.items()
        if name.upper().startswith(_PREFIX)
    }


def unknown(known: Collection[str]) -> Iterator[Finding]:
    """Names that no service reads. `known`: all that one does, in capitals."""
    names = {f"{_PREFIX}{name}" for name in known}
    strange = sorted(given().keys() - names - OTHERS)
    for name in strange:
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
        meant = f"; did you mean {close[0]}?" if close else ". `.env.example` lists all of them."
        yield warning("settings", f"{name} is no setting{meant}")
    if not strange:
        yield ok("settings", f"{len(given())} are set, all of them known.")


def unusable(settings_type: type[Settings]) -> Iterator[Finding]:
    """Values that a service can't start with."""
    try:
        settings_type()
    except ValidationError as error:
        for item in error.errors():
            name = "_".join(str(part) for part in item["loc"]).upper()
            yield problem("settings", f"{_PREFIX}{name}: {verdict(item)}.")
    except SettingsError as error:
        yield problem("settings", f'Write lists as JSON, such as ["/pictures"]: {error}.')


def at_odds(settings: Settings) -> Iterator[Finding]:
    """Yield findings on settings that contradict each other."""
    names = ("query", "indexer", "embedder")
    ports = Counter(getattr(settings, f"{name}_port") for name in names)
    for port, count in ports.items():
        if count > 1:
            yield problem(
                "settings",
                f"{count} services have port {port}. Give each its own: ISE_QUERY_PORT, "
                "ISE_INDEXER_PORT, ISE_EMBEDDER_PORT.",
            )
    if Path(".env").is_file() and settings.api_key and Path(".env").stat().st_mode & 0o077:
        yield warning("settings", "Others may read .env, which may hold a key: `chmod 600 .env`.")
