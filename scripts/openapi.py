"""Writes the OpenAPI file of each service: `python -m scripts.openapi FOLDER`."""

import json
import sys
from pathlib import Path
from typing import Any

from services.embedder.app import create_app as create_embedder
from services.embedder.config import EmbedderSettings
from services.indexer.app import create_app as create_indexer
from services.indexer.config import IndexerSettings
from services.query.app import create_app as create_query
from services.query.config import QuerySettings


def schemas() -> dict[str, dict[str, Any]]:
    """The OpenAPI document of each service, by its name. Starts nothing."""
    return {
        "embedder": create_embedder(EmbedderSettings()).openapi(),
        "indexer": create_indexer(IndexerSettings()).openapi(),
        "query": create_query(QuerySettings()).openapi(),
    }


def text(schema: dict[str, Any]) -> str:
    """A document as it's committed."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / f"{name}.json").write_text(text(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
