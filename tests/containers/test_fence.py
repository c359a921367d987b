"""The services as compose fences them in, without an engine: the same limits set by hand.

A read-only root file system, a small /tmp from which nothing is run, another user, no capabilities,
no new privileges.
"""

import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from demo.sample import draw_sample
from tests.e2e.engine import REPOSITORY
from tests.ports import free_port

pytestmark = pytest.mark.slow

_NAMES = ("embedder", "indexer", "query")
_USER = "10001"

# The interpreter and the checkout may lie where that user may not look.
_SCRIPT = f"""
set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/data /mnt/cache /mnt/app /mnt/python /mnt/packages
chown {_USER}:{_USER} /mnt/data /mnt/cache
mount --bind "$APP" /mnt/app
mount --bind "$PREFIX" /mnt/python
mount --bind "$PACKAGES" /mnt/packages
for folder in /mnt/app /mnt/python /mnt/packages /; do mount -o remount,bind,ro "$folder"; done
mount -t tmpfs -o noexec,nosuid,nodev,size=1g,mode=1777 tmpfs /tmp
cd /mnt/app
exec setpriv --reuid {_USER} --regid {_USER} --clear-groups --no-new-privs \\
    --bounding-set=-all --inh-caps=-all sh -c '
    for folder in / /mnt/app /var /root /etc; do
        if touch "$folder/x" 2>/dev/null; then echo "$folder can be written to"; exit 1; fi
    done
    grep -q "^CapEff:.0*$" /proc/self/status
    grep -q "^NoNewPrivs:.1$" /proc/self/status
    for name in {" ".join(_NAMES)}; do /mnt/python/bin/python3 -m "services.$name" & done
    wait'
"""


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    may_mount = (
        os.geteuid() == 0
        and not subprocess.run(
            ["unshare", "--mount", "true"], check=False, capture_output=True
        ).returncode
    )
    if not may_mount:
        pytest.skip("needs root that may mount, as a container engine does")
    ports = {name: free_port() for name in _NAMES}
    env = {
        "PATH": os.environ["PATH"],
        # As in the containers, where it isn't there.
        "HOME": "/home/ise",
        "APP": str(REPOSITORY),
        "PREFIX": sys.base_prefix,
        "PACKAGES": sysconfig.get_path("purelib"),
        "PYTHONHOME": "/mnt/python",
        "LD_LIBRARY_PATH": "/mnt/python/lib",
        "PYTHONPATH": "/mnt/app:/mnt/packages",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ISE_DATA_DIR": "/mnt/data",
        "ISE_CACHE_DIR": "/mnt/cache",
        **{f"ISE_{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    output = tmp_path_factory.mktemp("fence") / "output"
    with output.open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _SCRIPT],
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_ready(process, ports, output)
            yield ports
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def _wait_ready(process: "subprocess.Popen[bytes]", ports: dict[str, int], output: Path) -> None:
    end = time.monotonic() + 180
    for port in ports.values():
        while True:
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < end, output.read_text()
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                break
            time.sleep(0.2)


def test_pictures_are_added_and_found_within_the_fence(
    ports: dict[str, int], tmp_path: Path
) -> None:
    query = f"http://127.0.0.1:{ports['query']}/v1"
    pictures = sorted(draw_sample(tmp_path, count=24, seed=3).parent.glob("*.jpg"))[:3]
    # Over a mebibyte a file waits in /tmp while the form is read.
    large = pictures[0].read_bytes() + bytes(2 * 2**20)
    with httpx.Client(trust_env=False, timeout=120) as client:
        files = [("files", (path.name, path.read_bytes())) for path in pictures]
        added = client.post(f"{query}/images", files=files, data={"tags": "castle"}).json()
        assert {item["state"] for item in added["items"]} == {"added"}, added
        kept = client.post(f"{query}/images", files={"files": ("large.jpg", large)}).json()
        assert kept["items"][0]["state"] == "added", kept
        found = client.post(f"{query}/search/image", files={"file": pictures[1].read_bytes()})
        assert found.json()["hits"][0]["id"] == added["items"][1]["id"]
        job = client.post(f"{query}/index/build", json={}).json()
        end = time.monotonic() + 300
        while job["state"] in ("queued", "running"):
            assert time.monotonic() < end, job
            time.sleep(0.2)
            job = client.get(f"{query}/jobs/{job['id']}").json()
        assert job["state"] == "succeeded", job
        assert len(client.get(f"{query}/search?term=castle").json()["hits"]) == 3
        thumbnail = client.get(f"{query}/images/{added['items'][0]['id']}/thumbnail")
        assert thumbnail.headers["Content-Type"] == "image/jpeg"
