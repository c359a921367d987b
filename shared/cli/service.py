"""A service as a thing to start: its command, and where it will answer."""

import errno
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import httpx

from shared.core.errors import Misconfigured
from shared.core.loopback import url_at
from shared.core.settings import ServiceSettings

NAMES = ("embedder", "indexer", "query")


@dataclass(frozen=True)
class Service:
    """Service to start, and its address."""

    name: str
    command: tuple[str, ...]
    host: str
    port: int

    @property
    def url(self) -> str:
        return url_at(self.host, self.port)

    def check_port(self) -> None:
        """Raises Misconfigured when the service could not listen where it is meant to."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            # As uvicorn does: a connection closed a moment ago must not count as a used port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise Misconfigured(
                        f"Port {self.port} of the {self.name} is already in use. Stop the program "
                        f"that uses it, or set ISE_{self.name.upper()}_PORT to another."
                    ) from error
                raise Misconfigured(
                    f"The {self.name} can't listen on {self.host}:{self.port}: {error.strerror}."
                ) from error

    def not_ready(self, http: httpx.Client) -> str | None:
        """Return why the service can't serve yet, or None if it can."""
        try:
            response = http.get(f"{self.url}/ready")
        except httpx.ConnectError:
            return "starting"
        except httpx.TransportError:
            return "busy"
        if response.is_success:
            return None
        try:
            return str(response.json()["detail"])
        except (ValueError, KeyError, TypeError):
            return f"answers {response.status_code}"


def local_services(settings: ServiceSettings) -> tuple[Service, ...]:
    """The three services, on the ports of `settings`."""
    return tuple(
        Service(
            name,
            (sys.executable, "-m", f"services.{name}"),
            settings.host,
            getattr(settings, f"{name}_port"),
        )
        for name in NAMES
    )


@dataclass(frozen=True)
class MilvusLite(Service):
    """The server of a Milvus Lite file, which answers no HTTP."""

    @classmethod
    def of(cls, settings: ServiceSettings) -> Self | None:
        """Return the Milvus Lite server of ISE_MILVUS_URI; None if it names no file.

        Raises Misconfigured.
        """
        # Even if the next index will be local, because the present one may be on Milvus Lite.
        if not settings.milvus_uri.endswith(".db"):
            return None
        if find_spec("milvus_lite") is None:
            raise Misconfigured(
                f"To serve {settings.milvus_uri} a package is missing: "
                "pip install 'image-search-engine[milvus-lite]'"
            )
        port, file = free_port(), str(Path(settings.milvus_uri).expanduser().absolute())
        command = (sys.executable, "-m", "shared.engines.milvus.lite", "--data-dir", file)
        return cls("milvus", (*command, "--port", str(port)), "127.0.0.1", port)

    def not_ready(self, http: httpx.Client) -> str | None:
        with socket.socket() as probe:
            return "starting" if probe.connect_ex((self.host, self.port)) else None


def environment(settings: ServiceSettings) -> dict[str, str]:
    """Return the environment of the services' processes, so that they see `settings` and find each
    other.
    """
    variables = {"ISE_HOST": settings.host, "ISE_DATA_DIR": str(settings.data_dir.absolute())}
    if settings.api_key:
        variables["ISE_API_KEY"] = settings.api_key.get_secret_value()
    for service in local_services(settings):
        prefix = f"ISE_{service.name.upper()}"
        variables[f"{prefix}_PORT"] = str(service.port)
        variables[f"{prefix}_URL"] = getattr(settings, f"{service.name}_url") or service.url
    return variables


def waiting_line(waiting: dict[str, str]) -> str:
    """Return a line with a reason for every service that isn't ready."""
    return "Waiting for " + "; ".join(f"{name} ({why})" for name, why in waiting.items())


def free_port() -> int:
    """Return an unused port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
