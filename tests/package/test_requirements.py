"""What the code imports is what its package says it needs."""

import sys
import tomllib
from importlib.metadata import packages_distributions

import grimp
import pytest

from tests.e2e.engine import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OPTIONAL = (
    *("clip", "int8", "jxl", "langchain", "llama-index", "mcp", "milvus-lite", "ocr", "otel"),
    *("parquet", "postgres", "raw", "s3", "video"),
)
"""Extras whose packages are imported only where a setting or a command asks for them."""


def name_of(requirement: str) -> str:
    head = requirement.partition(";")[0].partition("[")[0]
    for mark in "<>=!~ ":
        head = head.partition(mark)[0]
    return head.strip().lower().replace("_", "-")


def declared(*extras: str) -> set[str]:
    """The distributions of the package itself and of some extras."""
    found = {name_of(one) for one in PROJECT["dependencies"]}
    for extra in extras:
        for one in EXTRAS[extra]:
            if one.startswith("image-search-engine["):
                inner = one.partition("[")[2].rstrip("]").split(",")
                found |= declared(*(part.strip() for part in inner))
            else:
                found.add(name_of(one))
    return found


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "services", "shared", "image_search", "demo", include_external_packages=True, cache_dir=None
    )


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("services.embedder", ("embedder",)),
        ("services.indexer", ("indexer",)),
        ("services.query", ("query",)),
        ("shared", ("embedder", "indexer", "query")),
        ("image_search", ()),
        ("demo", ("demo",)),
    ],
)
def test_every_import_is_declared(
    graph: grimp.ImportGraph, package: str, extras: tuple[str, ...]
) -> None:
    own = {package, *graph.find_descendants(package)}
    external = {
        imported.partition(".")[0]
        for module in own
        for imported in graph.find_modules_directly_imported_by(module)
    } - {"services", "shared", "image_search", "demo"}
    # What comes with a declared package, and is imported by its own name.
    inner = {
        "anyio": "httpx",
        "dotenv": "pydantic-settings",
        "grpc": "pymilvus",
        "huggingface_hub": "timm",
        "mcp_types": "mcp",
        "pydantic_core": "pydantic",
        "starlette": "fastapi",
        "typing_extensions": "pydantic",
    }
    known = declared(*extras, *OPTIONAL) | set(sys.stdlib_module_names)
    homes = packages_distributions()
    missing = {
        name
        for name in external
        if name not in known
        and inner.get(name) not in known
        and not {home.lower().replace("_", "-") for home in homes.get(name, [])} & known
    }
    assert missing == set()
