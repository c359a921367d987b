"""Findings of a service's own doctor, which runs in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from importlib import import_module
from typing import TypeVar

from shared.core.settings import Settings
from shared.doctor.finding import Finding, Level, ok, problem, warning
from shared.doctor.settings import unusable

S = TypeVar("S", bound=Settings)

_PATIENCE_S = 120


def tell(settings_type: type[S], look: Callable[[S], Iterable[Finding]]) -> None:
    """Print the findings of `look`, and the service's settings, as one line of JSON."""
    names = [name.upper() for name in settings_type.model_fields]
    found = list(unusable(settings_type))
    if not found:
        found += look(settings_type())
    document = {"settings": names, "findings": [asdict(one) for one in found]}
    sys.stdout.write(json.dumps(document) + "\n")


def heard(service: str) -> tuple[set[str], list[Finding]]:
    """Return the names of a service's settings, and the findings of its doctor."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", f"services.{service}.doctor"],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    try:
        document = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        where = f"Is it installed here? `pip install image-search-engine[{service}]`"
        return set(), [warning(service, f"Its own parts can't be looked at ({last}). {where}.")]
    found = [Finding(Level(one.pop("level")), **one) for one in document["findings"]]
    return set(document["settings"]), found


def packages(subject: str, names: Iterable[str]) -> Iterator[Finding]:
    """Check that packages can be imported, with their versions."""
    versions = []
    for name in names:
        try:
            module = import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            yield problem(
                "packages",
                f"{name}, which the {subject} needs, can't be imported ({error}). Install it: "
                f"`pip install image-search-engine[{subject}]`.",
            )
        else:
            versions.append(f"{name} {getattr(module, '__version__', '?')}")
    if versions:
        yield ok("packages", f"The {subject} has {', '.join(versions)}.")
