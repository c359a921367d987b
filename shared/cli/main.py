"""`ise`: the search engine from the command line."""

import os
import sys
from collections.abc import Sequence

import typer
from rich.text import Text

from shared.cli import (
    care,
    collection,
    curation,
    doctor,
    duplicates,
    evaluate,
    images,
    import_from,
    jobs,
    judge,
    labels,
    mcp,
    migrate,
    reembed,
    search,
    snapshots,
    tag,
    tags,
    text,
    transfer,
    up,
)
from shared.cli.session import console
from shared.core.printable import escaped
from shared.core.version import VERSION

app = typer.Typer(
    help="Search images by picture and by term. Settings come from ISE_* "
    "environment variables or `.env`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ise {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Take the options that come before a command."""


app.command("up")(up.up)
app.command("ingest")(collection.ingest)
app.command("build")(collection.build)
app.command("reembed")(reembed.reembed)
app.command("train-matching")(collection.train_matching)
app.command("compact")(collection.compact)
app.command("migrate")(migrate.migrate)
app.command("search")(search.search)
app.command("show")(curation.show)
app.command("tag")(tag.tag)
app.command("tags")(tags.tags)
app.command("label")(labels.label)
app.command("text")(text.text)
app.command("duplicates")(duplicates.duplicates)
app.command("eval")(evaluate.evaluate)
app.command("jobs")(jobs.jobs)
app.command("snapshots")(snapshots.snapshots)
app.command("stats")(snapshots.stats)
app.command("index")(snapshots.index)
app.command("add")(images.add)
app.command("rm")(images.rm)
app.command("trash")(curation.trash)
app.command("undo")(curation.undo)
app.command("facts")(curation.facts)
app.command("judge")(judge.judge)
app.command("import-features")(transfer.import_features)
app.command("export")(transfer.export)
app.command("import-from")(import_from.import_from)
app.command("import")(transfer.import_)
app.command("mcp")(mcp.mcp)
app.command("doctor")(doctor.doctor)
app.command("check")(care.check)
app.command("repair")(care.repair)
app.command("backup")(care.backup)
app.command("restore")(care.restore)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=[*map(_option_escaped, given)], prog_name="ise")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception as error:
        if os.environ.get("ISE_DEBUG"):
            raise
        sentence = f"This is a bug in ise: {type(error).__name__}: {error}"
        console(stderr=True).print(Text(escaped(sentence), style="red"), soft_wrap=True)
        console(stderr=True).print("Set ISE_DEBUG=1 to see where, and please report it.")
        return 1
    return 0


def _option_escaped(argument: str) -> str:
    """An argument whose option's name is printable: a file that is named so may be meant."""
    if not argument.startswith("-"):
        return argument
    name, equals, value = argument.partition("=")
    return escaped(name) + equals + value


if __name__ == "__main__":
    sys.exit(main())
