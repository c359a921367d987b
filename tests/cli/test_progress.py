"""Waiting for jobs, and how they are shown."""

import io
import threading
import time

import pytest
from rich.console import Console

from shared.cli.job_wait import wait
from shared.cli.progress import ProgressView, duration, figures
from shared.clients.transport import Client
from shared.contracts.jobs import Job, Progress
from shared.core.errors import Unavailable
from tests.ports import free_port


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (Progress(), ""),
        (Progress(done=12), "12"),
        (Progress(done=1200, total=4000), "1,200/4,000"),
        (
            Progress(done=1, total=4, per_second=52.34, eta_s=61.6),
            "1/4, 52.3 images/s, 1 min 2 s left",
        ),
        (Progress(done=4, total=4, failed=2, eta_s=0.0), "4/4, 2 failed"),
    ],
)
def test_figures(progress, shown):
    assert figures(progress) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (7260, "2 h 1 min")],
)
def test_duration(seconds, shown):
    assert duration(seconds) == shown


def shown(jobs: list[Job], **console: object) -> str:
    screen = io.StringIO()
    with ProgressView(Console(file=screen, width=120, **console)) as show:
        for job in jobs:
            show(job)
    return screen.getvalue()


def test_a_terminal_gets_a_bar_for_each_stage(services):
    jobs = [
        services.job(progress={"stage": "reading [red]", "done": 30}),
        services.job(progress={"stage": "training, epoch 1 of 2", "done": 1, "total": 2}),
        services.job(progress={"stage": "training, epoch 2 of 2", "done": 1, "total": 2}),
    ]
    terminal = {"force_terminal": True, "color_system": None}
    reading, training = shown(jobs, **terminal).rpartition("reading [red]")[2].splitlines()[:2]
    assert "━" * 30 in reading
    assert "30/40" in reading
    assert "━" * 30 not in training
    assert "epoch 2 of 2, 1/2" in training

    jobs.append(services.job(state="succeeded", progress={"stage": "training"}))
    assert "━" * 30 in shown(jobs, **terminal).rpartition("training")[2]


def test_no_terminal_gets_a_line_when_the_stage_changes_and_at_the_end(services):
    jobs = [services.job(progress={"done": n}) for n in range(30)]
    jobs.append(services.job(progress={"stage": "clustering"}))
    jobs.append(services.job(progress={"stage": "clustering, round 2"}))
    jobs.append(services.job(state="succeeded", progress={"stage": "clustering", "done": 40}))
    assert shown(jobs) == "reading: 0/40\nclustering: 0/40\nclustering: 40/40\n"


def test_no_terminal_gets_a_line_now_and_then(services):
    screen = io.StringIO()
    with ProgressView(Console(file=screen, width=120), line_every=0.0) as show:
        for done in (1, 1, 2):
            show(services.job(progress={"stage": f"training, epoch {done}"}))
    assert screen.getvalue().splitlines() == [
        "training: epoch 1, 0/40",
        "training: epoch 2, 0/40",
    ]


def test_a_stage_shows_its_own_figures_not_those_of_the_one_before_it(services):
    counted = {"done": 40, "failed": 2}
    jobs = [
        services.job(progress={"stage": "embedding", "done": 3}),
        services.job(progress={"stage": "clustering", **counted}),
        services.job(progress={"stage": "publishing", **counted}),
    ]
    assert shown(jobs).splitlines() == [
        "embedding: 3/40",
        "embedding: 40/40, 2 failed",
        "clustering",
        "publishing",
    ]
    embedding, clustering, _ = (
        shown(jobs, force_terminal=True, color_system=None)
        .rpartition("\x1b[2K\u2713 embedding")[2]
        .splitlines()[:3]
    )
    assert "40/40, 2 failed" in embedding
    assert "/" not in clustering


def test_wait_gives_up_on_an_indexer_that_stays_away(services):
    began = time.monotonic()
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(Unavailable):
        wait(nobody, services.job(), lambda _: None, poll=0.01, patience=0.2)
    assert time.monotonic() - began >= 0.2


def test_wait_is_patient_with_an_indexer_that_starts_again(services):
    fake = services.Fake(steps=[services.job(state="succeeded")])
    port = free_port()
    server = services.Server(fake, port)
    late = threading.Timer(0.3, server.run)
    late.start()
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            job = wait(client, services.job(), lambda _: None, poll=0.02, patience=20)
        assert job.state.ended
    finally:
        server.should_exit = True
        late.join()
