"""Ingest from a folder, from an object store and from archives, side by side.

    python -m benchmarks.sources PHOTOS S3_URL BUCKET [--delay-ms N]

PHOTOS is a folder; the S3-compatible server at S3_URL is given its files. Each source is taken in
by a fresh indexer with the packaged model. With a delay, a relay in front of the server holds each
request back by so much, as a distant one does.
"""

import argparse
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from shared.cli.group import ServiceGroup
from shared.cli.service import Service, free_port
from shared.clients import indexer
from shared.clients.transport import Client
from shared.contracts.indexer import IngestRequest
from shared.contracts.jobs import Job, JobState
from shared.objects.address import Address
from shared.objects.store import Objects

_START_S = 240.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("s3", help="the server's URL")
    parser.add_argument("bucket", help="must be there")
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reads", type=int, nargs="+", default=[16])
    asked = parser.parse_args()
    paths = [path for path in sorted(asked.photos.rglob("*")) if path.is_file()]
    with TemporaryDirectory() as folder:
        archives = _archives(asked.photos, paths, Path(folder))
        _fill(Objects(asked.s3), asked.bucket, asked.photos, [*paths, *archives])
        with _delayed(asked.s3, asked.delay_ms) as url:
            local = [str(asked.photos), *map(str, archives)]
            far = [f"s3://{asked.bucket}/{name}" for name in ("all", "p.tar", "p.zip")]
            runs = [(source, 16) for source in local]
            runs += [(source, reads) for source in far for reads in asked.reads]
            for number, (source, reads) in enumerate(runs * asked.rounds):
                rate, cpu_ms = _rates(Path(folder) / str(number), source, url, reads)
                print(
                    f"{rate:8.1f} pictures/s, {cpu_ms:5.2f} ms of the indexer's processor each, "
                    f"{reads} at once: {source}",
                    flush=True,
                )


def _archives(top: Path, paths: list[Path], folder: Path) -> list[Path]:
    with (
        tarfile.open(folder / "p.tar", "w") as tar,
        zipfile.ZipFile(folder / "p.zip", "w") as zipped,
    ):
        for path in paths:
            tar.add(path, path.relative_to(top))
            zipped.write(path, path.relative_to(top))
    return [folder / "p.tar", folder / "p.zip"]


def _fill(objects: Objects, bucket: str, top: Path, paths: list[Path]) -> None:
    def put(path: Path) -> None:
        key = f"all/{path.relative_to(top)}" if path.is_relative_to(top) else path.name
        objects.write(Address("s3", f"{bucket}/{key}"), path.read_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, paths))


@contextmanager
def _delayed(url: str, milliseconds: int) -> Iterator[str]:
    if not milliseconds:
        yield url
        return
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.relay", url, str(port), str(milliseconds)]
    process = subprocess.Popen(command)  # noqa: S603
    try:
        time.sleep(2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _rates(data: Path, source: str, s3: str, reads: int) -> tuple[float, float]:
    """Pictures a second of the embedding, as the job tells them; and the indexer's own work."""
    with _services(data, s3, reads) as client:
        before = _processor_s(client)
        client.send(indexer.ingest(IngestRequest(source=source, build=False)))
        job = _ended(client)
        if job.state is not JobState.SUCCEEDED or job.progress.per_second is None:
            raise RuntimeError(f"the ingest failed: {job.error}")
        used = _processor_s(client) - before
        return job.progress.per_second, 1000 * used / job.progress.done


def _processor_s(client: Client) -> float:
    text = httpx.get(f"{client.base_url}/metrics", trust_env=False).text
    [line] = re.findall(r"^process_cpu_seconds_total (.*)$", text, re.MULTILINE)
    return float(line)


def _ended(client: Client) -> Job:
    while True:
        [job] = client.send(indexer.list_jobs()).jobs
        if job.state.ended:
            return job
        time.sleep(0.2)


@contextmanager
def _services(data: Path, s3: str, reads: int) -> Iterator[Client]:
    ports = {name: free_port() for name in ("embedder", "indexer")}
    services = [
        Service(name, (sys.executable, "-m", f"services.{name}"), "127.0.0.1", port)
        for name, port in ports.items()
    ]
    env = {
        **os.environ,
        "ISE_DATA_DIR": str(data),
        "ISE_HOST": "127.0.0.1",
        "ISE_LOG_LEVEL": "warning",
        "ISE_S3_ENDPOINT": s3,
        "ISE_SOURCE_READS": str(reads),
        "ISE_EMBEDDER_URL": services[0].url,
        **{f"ISE_{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    group = ServiceGroup(services, env)
    group.start()
    try:
        group.wait_ready(_START_S)
        with Client(services[1].url) as client:
            yield client
    finally:
        group.stop()


if __name__ == "__main__":
    main()
