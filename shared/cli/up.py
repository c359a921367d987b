"""`ise up`: the three services as processes of one machine, without a container engine."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from shared.cli.child import Sink
from shared.cli.group import ServiceEnded, ServiceGroup
from shared.cli.service import NAMES, environment, waiting_line
from shared.cli.session import AsJson, load_settings, session
from shared.clients.transport import Client
from shared.core.printable import escaped
from shared.core.settings import LogFormat, ServiceSettings, slips
from shared.doctor import model_fit

__all__ = ["ServiceEnded", "ServiceGroup", "stop_on_signals", "up"]

_COLOURS = dict(zip(NAMES, ("magenta", "green", "cyan"), strict=True))


def up(
    log_dir: Annotated[
        Path | None,
        typer.Option(
            "--log-dir",
            help="Write the services' output to files in this folder instead of the screen.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the three services on this machine until Ctrl-C; start one again that ends."""
    with session(as_json) as opened:
        settings = load_settings(ServiceSettings)
        settings.check_bind()
        settings.keep_files_private()
        console = opened.err if as_json else opened.out
        for slip in slips(ServiceSettings):
            console.print(slip, soft_wrap=True)
        sink = plain() if settings.log_format is LogFormat.JSON else prefixed(console)
        group = ServiceGroup.local(settings, sink=None if log_dir else sink, log_dir=log_dir)
        with stop_on_signals(group.request_stop), group:
            if not group.wait_ready(on_wait=lambda waiting: console.print(waiting_line(waiting))):
                return
            urls = {name: group.url(name) for name in reversed(NAMES)}
            if as_json:
                opened.write_json(urls)
            else:
                _welcome(console, urls, settings.data_dir.absolute())
            _warn(console, settings)
            group.watch(lambda sentence: console.print(sentence, soft_wrap=True))
            console.print("Stopping all three.")


def prefixed(console: Console) -> Sink:
    """Prints each line behind the name of the service that wrote it."""

    def sink(name: str, line: str) -> None:
        label = (f"{name:<8} | ", _COLOURS.get(name, ""))
        console.print(Text.assemble(label, escaped(line)), soft_wrap=True)

    return sink


def plain() -> Sink:
    """Passes each line on to standard error as it is: it names its service itself."""
    return lambda _, line: typer.echo(escaped(line), err=True)


def _welcome(console: Console, urls: dict[str, str], data_dir: Path) -> None:
    console.print(Text(f"Ready. The page: {urls['query']}/", style="bold"), soft_wrap=True)
    for name, url in urls.items():
        console.print(f"  {name} API: {url}/docs", soft_wrap=True)
    console.print(f"Data: {data_dir}", soft_wrap=True)
    console.print("Press Ctrl-C to stop all three.")


def _warn(console: Console, settings: ServiceSettings) -> None:
    key = settings.api_key.get_secret_value() if settings.api_key else None
    # The addresses by which services find each other, which settings may change.
    variables = environment(settings)
    with Client(variables["ISE_QUERY_URL"], key) as query:
        # One of several embedders must fit.
        sentences = []
        for url in variables["ISE_EMBEDDER_URL"].split(","):
            with Client(url.strip(), key) as embedder:
                sentences.append(model_fit.warning(embedder, query))
        sentence = None if None in sentences else sentences[0]
    if sentence is not None:
        console.print(Text(escaped(sentence), style="yellow"), soft_wrap=True)


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` on SIGINT, SIGTERM, and when the terminal is closed."""

    def on_signal(*_: Any) -> None:
        stop()

    caught = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` sets it to be ignored
        caught.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
