"""Shows how far a job is: as bars on a terminal, else as lines."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from shared.contracts.jobs import Job, JobState, parts_of
from shared.contracts.jobs import Progress as Figures
from shared.core.printable import escaped

_LINE_EVERY_S = 5.0


class ProgressView:
    """Shows a job as it goes: bars on a terminal, one for each stage, else a line now and then."""

    def __init__(self, console: Console, line_every: float = _LINE_EVERY_S) -> None:
        self._view = _Bars(console) if console.is_terminal else _Lines(console, line_every)

    def __enter__(self) -> Self:
        self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._view.stop()

    def __call__(self, job: Job) -> None:
        self._view.show(job)


class _Stage:
    """The current stage of a job; text after a comma in its name is a detail."""

    def __init__(self) -> None:
        self.name = ""
        self.detail = ""
        self.progress = Figures()
        self.done = self.total = 0
        self.closing = ""
        self._inherited: tuple[int, int] | None = None

    def see(self, job: Job) -> bool:
        """Update the progress; return whether a new stage began.

        `closing` then has the last figures of the previous stage, if known.
        """
        name, self.detail = parts_of(stage_of(job))
        now = job.progress
        counts = (now.done, now.total)
        began = name != self.name
        if began:
            self.name = name
            # Pictures that are all done when a stage begins were counted in an earlier stage.
            self._inherited = counts if now.total and now.done >= now.total else None
            from_last = self._inherited and self.progress.total == now.total
            self.closing = figures(now) if from_last else ""
        self.progress = now if counts != self._inherited else Figures(eta_s=now.eta_s)
        self.done, self.total = self.progress.done, self.progress.total
        if now.stage_total:
            self.done, self.total = now.stage_done, now.stage_total
        return began

    @property
    def text(self) -> str:
        return ", ".join(part for part in (self.detail, figures(self.progress)) if part)


class _Bars:
    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
        )
        self._stage = _Stage()
        self._bar: TaskID | None = None

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def show(self, job: Job) -> None:
        if self._stage.see(job) or self._bar is None:
            self._fill(self._stage.closing)
            self._bar = self._progress.add_task(self._stage.name, total=None, text="")
        now = self._stage
        self._progress.update(self._bar, total=now.total or None, completed=now.done, text=now.text)
        if job.state is JobState.SUCCEEDED:
            self._fill()

    def _fill(self, text: str = "") -> None:
        """A stage that another follows is done, whether or not its last figures were seen."""
        if self._bar is not None:
            bar = self._progress.tasks[self._bar]
            total = bar.total or 1
            text = text or bar.fields["text"]
            self._progress.update(self._bar, total=total, completed=total, text=text)


class _Lines:
    def __init__(self, console: Console, every: float) -> None:
        self._console = console
        self._every = every
        self._stage = _Stage()
        self._last = ""
        self._at = 0.0

    def start(self) -> None:
        """Nothing to set up."""

    def stop(self) -> None:
        """Nothing to take down."""

    def show(self, job: Job) -> None:
        before, now = self._stage.name, time.monotonic()
        began = self._stage.see(job)
        if began and self._stage.closing:
            self._print(before, self._stage.closing)
        if began or job.state.ended or now - self._at >= self._every:
            self._print(self._stage.name, self._stage.text)
            self._at = now

    def _print(self, *parts: str) -> None:
        line = ": ".join(part for part in parts if part)
        if line != self._last:
            self._console.print(line, soft_wrap=True)
            self._last = line


def stage_of(job: Job) -> str:
    """Return a job's current stage in a word."""
    if job.state is JobState.RUNNING or job.state.ended:
        # A stage may contain the name of a file.
        return escaped(job.progress.stage or job.kind.value)
    return job.state.value


def figures(progress: Figures) -> str:
    """`120/400, 52.3 images/s, 5 s left, 2 failed`: as much of it as is known."""
    parts = []
    if progress.total:
        parts.append(f"{progress.done:,}/{progress.total:,}")
    elif progress.done:
        parts.append(f"{progress.done:,}")
    if progress.per_second:
        parts.append(f"{progress.per_second:,.1f} images/s")
    if progress.eta_s and progress.eta_s >= 0.5:
        parts.append(f"{duration(progress.eta_s)} left")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """`8 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
