"""`ise eval`: evaluation of the running engine."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from shared.cli import tables
from shared.cli.session import AsJson, session
from shared.contracts.query import SearchOptions
from shared.core.errors import InvalidInput
from shared.evaluation import run
from shared.evaluation.measure import FIGURES

_DEFAULT = "default"


def evaluate(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="Indexed pictures with labels: a folder whose sub-folders are the "
            "labels, or a manifest. Default: the collection's own tags."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--setting",
            metavar="KEY=VALUE,...",
            help="Search settings to evaluate, such as rerank=none,nprobe=4; repeatable. "
            "Default: the default settings, and rerank=none.",
        ),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option("--before", help="JSON file of an earlier evaluation to compare with."),
    ] = None,
    queries: Annotated[
        int, typer.Option("--queries", min=1, help="Number of query images, drawn at random.")
    ] = 500,
    out: Annotated[
        Path, typer.Option("--out", help="Output path; .json and .html are appended.")
    ] = Path("evaluation"),
    as_json: AsJson = False,
) -> None:
    """Measure label quality, recall, time and probabilities; write JSON and an HTML report."""
    with session(as_json) as opened:
        settings = {text or _DEFAULT: options_of(text) for text in setting or ["", "rerank=none"]}
        found = run.evaluate(
            opened.query,
            opened.indexer,
            opened.embedder,
            path,
            settings,
            queries,
            [] if before is None else run.read(before),
            opened.say,
        )
        document, page = run.write(found, opened.indexer, out)
        shown = [tables.evaluation(found, FIGURES)]
        if found.tags is not None:
            shown.append(tables.tag_figures(found.tags))
        opened.reply(found, *shown)
        opened.say(f"The figures are in {document}, the report is {page}.")


def options_of(text: str) -> dict[str, Any]:
    """Return search options from `key=value,key=value`; none for `default` or an empty text."""
    options: dict[str, Any] = {}
    for part in text.split(",") if text not in ("", _DEFAULT) else []:
        key, sign, value = part.partition("=")
        if not sign:
            raise InvalidInput(
                f"--setting takes comma-separated key=value pairs: {part!r} has no =."
            )
        try:
            options[key.strip()] = json.loads(value)
        except ValueError:
            options[key.strip()] = value
    try:
        SearchOptions.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or text
        raise InvalidInput(f"--setting {name}: {first['msg']}.") from error
    return options
