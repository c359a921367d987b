"""Finding about one subject."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """`problem`: something does not work, or will not."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line: the subject, and a sentence with advice if it isn't ok."""

    level: Level
    subject: str
    sentence: str


def ok(subject: str, sentence: str) -> Finding:
    return Finding(Level.OK, subject, sentence)


def warning(subject: str, sentence: str) -> Finding:
    return Finding(Level.WARNING, subject, sentence)


def problem(subject: str, sentence: str) -> Finding:
    return Finding(Level.PROBLEM, subject, sentence)
