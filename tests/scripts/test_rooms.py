"""Every package says what lives there."""

import ast
from pathlib import Path

from tests.e2e.engine import REPOSITORY


def undescribed(*roots: str) -> list[Path]:
    """Return the folders of modules without a docstring in their `__init__.py`."""
    folders = {path.parent for root in roots for path in (REPOSITORY / root).rglob("*.py")}
    return [folder for folder in sorted(folders) if not _described(folder / "__init__.py")]


def _described(file: Path) -> bool:
    return file.is_file() and ast.get_docstring(ast.parse(file.read_text())) is not None


def test_every_package_says_what_lives_there() -> None:
    assert undescribed("services", "shared") == []
