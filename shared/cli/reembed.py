"""`ise reembed`: goes over to another model, after it said how long that takes."""

import shutil
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from shared.cli.collection import Clusters, cluster_count, tell_untrained
from shared.cli.jobs import run_job
from shared.cli.progress import duration
from shared.cli.receipt import change_words, read_receipt
from shared.cli.session import AsJson, Session, Verbose, session
from shared.clients import embedder, indexer, query
from shared.contracts.embedder import PROFILE_HEADER, ImageSpace, Models
from shared.contracts.indexer import BuildSettings, ReembedRequest
from shared.contracts.query import Metric
from shared.core.errors import InvalidInput, NotFound, Unavailable

_SAMPLE = 24
"""Pictures that are embedded to measure the rate; as many before them warm the model up."""
_LOADING_S = 120.0
_PAUSE_S = 0.5
# Of a vector in the index, codes and records, in bytes; features beside it are 4 a number.
_INDEXED_BYTES = 1024
# Clustering, probabilities and the matching network take so much of the embedding, and a bit.
_BUILD_SHARE, _BUILD_S = 0.25, 10.0


class Profile(StrEnum):
    """A profile to go over to."""

    LITE = "lite"
    MINI = "mini"
    CLASSIC = "classic"


@dataclass(frozen=True)
class Estimate:
    """Work of a re-embedding. `rate`: measured pictures a second; `disk`: bytes that it adds."""

    pictures: int
    rate: float
    dim: int

    @property
    def seconds(self) -> float:
        return self.pictures / self.rate * (1 + _BUILD_SHARE) + _BUILD_S

    @property
    def disk(self) -> int:
        return self.pictures * (4 * self.dim + _INDEXED_BYTES)


def reembed(
    profile: Annotated[
        Profile | None,
        typer.Option(
            "--profile",
            help="Switch to this profile's model. The running services need no restart.",
        ),
    ] = None,
    embedder_url: Annotated[
        str | None,
        typer.Option(
            "--embedder",
            metavar="URL",
            help="One of the addresses in ISE_EMBEDDER_URL. Default: the embedder whose "
            "model differs from the index's.",
        ),
    ] = None,
    clusters: Clusters = "auto",
    metric: Annotated[
        Metric, typer.Option("--metric", help="Distance that the clusters are made for.")
    ] = Metric.COSINE,
    drop_missing: Annotated[
        bool,
        typer.Option("--drop-missing", help="Drop images whose files can't be read."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --profile: start without asking.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Embed a sample of 500 pictures alone, and tell what the model would change and "
            "what that takes.",
        ),
    ] = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Switch to another model; the current index serves until the new one is ready.

    Both models are compared with a sample first; `ise jobs ID` shows what was expected and came.
    """
    with session(as_json, verbose) as opened:
        if profile is not None and embedder_url is not None:
            raise InvalidInput("Give either --profile or --embedder, not both.")
        settings = BuildSettings(
            clusters=cluster_count(clusters), metric=metric, drop_missing=drop_missing
        )
        if profile is None:
            request = ReembedRequest(embedder=embedder_url, build=settings, dry_run=dry_run)
            job = run_job(opened, indexer.reembed_index(request), embeds=True)
            if not dry_run:
                tell_untrained(opened, job)
            return
        if dry_run:
            request = ReembedRequest(profile=profile.value, build=settings, dry_run=True)
            run_job(opened, indexer.reembed_index(request), embeds=True)
            return
        if not yes and (as_json or not sys.stdin.isatty()):
            raise InvalidInput("Re-embedding takes long, so it asks first; add --yes to start it.")
        opened.require_embedder()
        before = opened.query.send(query.get_stats())
        models = _models(opened, profile)
        if models.visual.fingerprint == before.model:
            raise InvalidInput(f"The collection already has the model of {profile}.")
        if not yes:
            _compare(opened, profile, settings, models)
        _announce(opened, profile, before.images, models, yes)
        request = ReembedRequest(profile=profile.value, build=settings)
        job = run_job(opened, indexer.reembed_index(request))
        tell_untrained(opened, job)
        opened.say(
            f"The collection now has the model of {profile}. To go back: `ise snapshots "
            f"--activate {before.snapshot}`. An ISE_PROFILE or ISE_BACKBONE that is set should "
            "be removed before the next start."
        )


def _compare(opened: Session, profile: Profile, settings: BuildSettings, models: Models) -> None:
    """Say what the change is expected to bring, found with a sample."""
    opened.say(f"Comparing both models with a sample; {models.visual.architecture} embeds it now.")
    request = ReembedRequest(profile=profile.value, build=settings, dry_run=True)
    job = run_job(opened, indexer.reembed_index(request), shown=lambda _: "")
    if (receipt := read_receipt(job.result)) is not None:
        opened.say(change_words(receipt))


def _models(opened: Session, profile: Profile) -> Models:
    """Return the profile's models, which the embedder loads now. Raises Unavailable."""
    client = opened.embedder.with_headers({PROFILE_HEADER: profile.value})
    give_up = time.monotonic() + _LOADING_S
    while True:
        try:
            return client.send(embedder.list_models())
        except Unavailable:
            if time.monotonic() > give_up:
                raise
        time.sleep(_PAUSE_S)


def _announce(opened: Session, profile: Profile, pictures: int, models: Models, yes: bool) -> None:
    """Say what the job takes, and ask."""
    if pictures:
        rate = _rate(opened, profile, models)
        estimate = None if rate is None else Estimate(pictures, rate, models.visual.dim)
        if estimate is None:
            opened.say(f"{pictures:,} pictures are embedded again; the time can't be estimated.")
        else:
            _check_disk(opened, estimate)
            opened.say(
                f"{pictures:,} pictures are embedded again by {models.visual.architecture}, at "
                f"{estimate.rate:,.0f} a second: about {duration(estimate.seconds)}, and "
                f"{estimate.disk / 2**20:,.0f} MiB of disk space beside the present index. "
                "Searches go on by the present index until then."
            )
    if not yes and not typer.confirm("Start?", default=True, err=True):
        raise typer.Exit(1)


def _rate(opened: Session, profile: Profile, models: Models) -> float | None:
    """Measure pictures a second, of reading and embedding; None where no file can be read."""
    sample = opened.query.send(query.get_random_images(2 * _SAMPLE))
    client = opened.embedder.with_headers({PROFILE_HEADER: profile.value})
    rate = None
    ids = [image.id for image in sample.images]
    for start in range(0, len(ids), _SAMPLE):
        began = time.monotonic()
        files = [file for one in ids[start : start + _SAMPLE] if (file := _file(opened, one))]
        if files:
            # A batch, as the job sends them.
            space = ImageSpace.VISUAL
            found = client.send(embedder.embed_images(files, space, bulk=True))
            if found.fingerprint != models.visual.fingerprint:
                return None
            rate = len(files) / max(time.monotonic() - began, 1e-3)
    return rate


def _file(opened: Session, image_id: str) -> bytes | None:
    try:
        return opened.indexer.send(indexer.get_image_file(image_id))[0]
    except NotFound:
        return None


def _check_disk(opened: Session, estimate: Estimate) -> None:
    """Raise InvalidInput where the data folder is on this machine and too full."""
    folder = opened.settings.data_dir
    if not (folder / "snapshots").is_dir():
        return
    free = shutil.disk_usage(folder).free
    if free < estimate.disk:
        raise InvalidInput(
            f"{folder.absolute()} has {free / 2**20:,.0f} MiB free, and the new index takes "
            f"about {estimate.disk / 2**20:,.0f} MiB. Make room first."
        )
