"""Context of every command: the settings, the services, and its output."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console, RenderableType
from rich.text import Text

from shared.cli.terminal import Terminal
from shared.clients import indexer
from shared.clients.transport import Client
from shared.core import problem
from shared.core.errors import InvalidInput, ISEError, Misconfigured, Unavailable
from shared.core.printable import escaped, escaped_json
from shared.core.settings import Settings, slips
from shared.core.validation import verdict

S = TypeVar("S", bound=Settings)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print all figures, also those of models.")
]

# Tables written to a file or a pipe are as wide as their contents, never cut to a screen.
_PIPE_WIDTH = 10_000

# The indexer caches for a second that a service was down, which may have just started.
_PEERS_FRESH_S = 1.2
_PAUSE_S = 0.25


class Session:
    """One run of a command. Results go to `out`; progress and errors to `err`."""

    def __init__(self, as_json: bool, verbose: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.out = console()
        self.err = console(stderr=True)
        self._open = ExitStack()
        self._clients: dict[str, Client] = {}
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = load_settings(Settings)
            for slip in slips(Settings):
                self.say(slip)
        return self._settings

    @property
    def query(self) -> Client:
        return self._client("query")

    @property
    def embedder(self) -> Client:
        return self._client("embedder")

    @property
    def indexer(self) -> Client:
        return self._client("indexer")

    def require_embedder(self) -> None:
        """Raise Unavailable where the indexer finds no embedder: a job would wait for it."""
        give_up = time.monotonic() + _PEERS_FRESH_S
        while self._embedder_is_away():
            if time.monotonic() > give_up:
                raise Unavailable(
                    "The embedder is not running, and this can't be done without it. `ise up` "
                    "starts all three services."
                )
            time.sleep(_PAUSE_S)

    def _embedder_is_away(self) -> bool:
        try:
            return self.indexer.send(indexer.get_missing()).get("embedder") == "away"
        except Unavailable:
            # If the indexer doesn't answer, the next call reports it; if it isn't ready, it says
            # why.
            return False

    def reply(self, answer: BaseModel, *shown: RenderableType) -> None:
        """Print the result of a command: `answer` with `--json`, else the rendered form."""
        if self.as_json:
            self.write_json(answer.model_dump(mode="json"))
        else:
            self.out.print(*shown, sep="\n")

    def write_json(self, document: Any) -> None:
        typer.echo(escaped_json(json.dumps(document, indent=2, ensure_ascii=False)))

    def say(self, sentence: str) -> None:
        """Print a sentence for a person, in addition to the result."""
        if not self.as_json:
            self.err.print(sentence, soft_wrap=True)

    def complain(self, error: ISEError) -> None:
        """One red sentence; with `--json`, the problem document."""
        if self.as_json:
            typer.echo(json.dumps(problem.body_of(error)), err=True)
        else:
            print_error(self.err, error)

    def close(self) -> None:
        self._open.close()

    def _client(self, service: str) -> Client:
        if service not in self._clients:
            key = self.settings.api_key
            client = Client(self.settings.url_of(service), key.get_secret_value() if key else None)
            self._clients[service] = self._open.enter_context(client)
        return self._clients[service]


@contextmanager
def session(as_json: bool, verbose: bool = False) -> Iterator[Session]:
    """Context manager of a session that reports errors to the user and exits with code 1."""
    opened = Session(as_json, verbose)
    try:
        with readable_errors():
            yield opened
    except ISEError as error:
        opened.complain(error)
        raise typer.Exit(1) from None
    finally:
        opened.close()


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn errors that users can cause, by a path, a URL or a version, into an ISEError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{Path(error.filename).absolute()}: " if error.filename else ""
        raise InvalidInput(f"{where}{error.strerror or error}.") from error
    except httpx.InvalidURL as error:
        raise Misconfigured(
            f"The URL of a service can't be used: {error}. "
            "Look at ISE_QUERY_URL, ISE_INDEXER_URL and ISE_EMBEDDER_URL."
        ) from error
    except ValidationError as error:
        raise ISEError(
            f"The {error.title} that a service sent can't be read. Check that the "
            "services and this command have the same version."
        ) from error


def load_settings(cls: type[S]) -> S:
    """The settings from the environment and `.env`. Raises Misconfigured."""
    try:
        return cls()
    except ValidationError as error:
        wrong = "; ".join(
            f"ISE_{'_'.join(map(str, item['loc'])).upper()}: {verdict(item)}"
            for item in error.errors()
        )
        raise Misconfigured(f"A setting can't be used. {wrong}.") from error


def console(stderr: bool = False) -> Console:
    """Create a console that prints text literally: paths and tags contain no markup or control
    codes.
    """
    made = Terminal(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


def print_error(to: Console, error: ISEError) -> None:
    """One red sentence, and below it the last lines of a service, where one ended."""
    to.print(Text(escaped(error.detail), style="red"), soft_wrap=True)
    for line in error.extra.get("last_lines", []):
        to.print(f"  {line}", soft_wrap=True)
