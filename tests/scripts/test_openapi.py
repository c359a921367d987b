"""The committed OpenAPI files are what the services answer."""

from pathlib import Path

import pytest

from scripts.openapi import schemas, text

FOLDER = Path(__file__).parents[2] / "docs" / "openapi"


@pytest.mark.parametrize("name", ["embedder", "indexer", "query"])
def test_committed_file_is_up_to_date(name: str) -> None:
    committed = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert committed == text(schemas()[name]), "run `make openapi` and commit the result"
