"""The console of `ise`, which escapes control codes in names and answers."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from shared.core.printable import escaped


class Terminal(Console):
    """Prints text as it is, but for control characters, which it writes out.

    A string is one line; a table or a `Text` may have several.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(
            *(escaped(one) if isinstance(one, str) else one for one in objects), **options
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            # rich marks its own cursor movements as control segments.
            yield Segment(text if control else escaped(text, keep_lines=True), style, control)
