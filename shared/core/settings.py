"""Settings of all services: from the environment, else a `.env` file, else the default."""

import difflib
import ipaddress
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.core.budget import MIB
from shared.core.engine import Engine
from shared.core.errors import Misconfigured
from shared.core.loopback import is_loopback, url_at


def _at_home(folder: Path) -> Path:
    # No shell expands `~` in a `.env` file.
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


Folder = Annotated[Path, AfterValidator(_at_home)]
Port = Annotated[int, Field(ge=1, le=65535)]

LEAST_KEY = 16
"""Least number of characters of a key; shorter ones can be guessed, above all from a hash."""
_DECODER_AT_REST = 512 * MIB
"""Address space of a decoding process before it has a picture."""
_ALIKE = 0.85
"""Similarity to a setting at which an unknown name counts as a typing error; 1: equal."""


class LogFormat(StrEnum):
    """Format of log lines."""

    TEXT = "text"
    JSON = "json"


class Settings(BaseSettings):
    """Settings of all programs: folders and addresses. Every field is read from `ISE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="ISE_", env_file=".env", extra="ignore")

    data_dir: Folder = Field(Path("data"), description="Folder of all data.")
    api_key: SecretStr | None = Field(None, description="Key that callers must send.")
    host: str = Field("127.0.0.1", description="Address on which services listen.")
    umask: str = Field(
        "077",
        pattern=r"^[0-7]{3}$",
        description="Permissions that new files and folders lack; 027 lets the group read.",
    )
    query_port: Port = Field(8000, description="Port of the query service.")
    indexer_port: Port = Field(8001, description="Port of the indexer.")
    embedder_port: Port = Field(8002, description="Port of the embedder.")
    query_url: str = Field("", description="URL of the query service.")
    indexer_url: str = Field("", description="URL of the indexer.")
    embedder_url: str = Field("", description="URL of the embedder, or several, comma-separated.")

    def keep_files_private(self) -> None:
        """Apply `umask` to everything that this process creates."""
        os.umask(int(self.umask, 8))

    @field_validator("api_key")
    @classmethod
    def _usable_key(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key else ""
        if not (text.isascii() and text.isprintable()) or text != text.strip():
            raise ValueError("a key has printable ASCII characters only, and no blanks around it")
        return key

    def url_of(self, service: str) -> str:
        """Return the base URL of a service: the first one set, else its address on this machine."""
        return self.urls_of(service)[0]

    def urls_of(self, service: str) -> list[str]:
        """Return all base URLs of a service."""
        given: str = getattr(self, f"{service}_url")
        urls = [url.strip().rstrip("/") for url in given.split(",") if url.strip()]
        return urls or [url_at(self.host, getattr(self, f"{service}_port"))]


class ServiceSettings(Settings):
    """Settings common to all services."""

    allow_open: bool = Field(
        default=False,
        description="Accept other machines without a key; for containers behind a loopback port.",
    )
    api_keys_file: Folder | None = Field(
        default=None,
        description="File of further keys, one per line: label, scopes, key or its SHA-256.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="JSON list of host names of the service: `name`, `*.domain`, or `*`. Loopback "
        "and the names in ISE_*_URL are always included.",
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="JSON list of addresses and networks of reverse proxies whose X-Forwarded-For "
        "header is trusted.",
    )
    log_level: str = Field("info", description="Level: debug, info, warning or error.")
    log_format: LogFormat = Field(
        LogFormat.TEXT, description="Format: text, or json (one object per line)."
    )
    engine: Engine = Field(Engine.LOCAL, description="Engine of the next index to be built.")
    milvus_uri: str = Field(
        "", description="URL of a Milvus server, or a .db path for Milvus Lite, run by `ise up`."
    )
    milvus_token: SecretStr = Field(SecretStr(""), description="`user:password`, or a token.")
    milvus_index: Literal["IVF_FLAT", "IVF_SQ8", "IVF_RABITQ"] = Field(
        "IVF_FLAT", description="Index type that Milvus builds."
    )
    s3_endpoint: str = Field("", description="URL of an S3-compatible server; default: AWS.")
    snapshots_from: str = Field(
        "",
        description="ISE_SNAPSHOTS_TO of the indexer, for services that share no disk with it.",
    )
    max_body_bytes: int = Field(512 * 1024 * 1024, description="Most bytes per request.")
    memory: int = Field(
        1024,
        ge=64,
        description="Memory for bodies, decoded pictures, queues and caches together, beyond what "
        "the service takes at rest, in MiB.",
    )
    spool: int = Field(
        4096, ge=64, description="Disk space for the files of uploads that arrive, in MiB."
    )
    body_seconds: float = Field(
        600, gt=0, description="Time limit for receiving a request's body, in seconds."
    )
    max_image_bytes: int = Field(64 * 1024 * 1024, description="Most bytes per image.")
    max_pixels: int = Field(100_000_000, ge=1, description="Most pixels per image.")
    decode_seconds: float = Field(
        20.0, gt=0, description="Limit of processor time for decoding an image, in seconds."
    )
    decode_bytes: int = Field(
        2 * 1024**3,
        ge=256 * 1024**2,
        description="Memory limit of a decoding process; ISE_MEMORY may lower it.",
    )
    shutdown_seconds: int = Field(
        20, ge=1, description="Time for running requests to finish after SIGTERM."
    )

    @field_validator("api_keys_file", mode="before")
    @classmethod
    def _no_file(cls, given: object) -> object:
        return given or None

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: list[str]) -> list[str]:
        for network in given:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(
                    f"{network!r} is no address and no network; write 10.0.0.7 or 10.0.0.0/24"
                ) from None
        return given

    @property
    def decoder_bytes(self) -> int:
        """Memory limit of a decoding process: the setting, and no more than a service may use."""
        return min(self.decode_bytes, self.memory * MIB + _DECODER_AT_REST)

    @property
    def on_loopback(self) -> bool:
        """True if only this machine can connect."""
        return is_loopback(self.host)

    @property
    def is_local(self) -> bool:
        """True if only this machine can connect, and by no name that others know."""
        return self.on_loopback and all(map(is_loopback, self.allowed_hosts))

    def check_key(self) -> None:
        """Refuse a short key if others can reach the service. Raises Misconfigured."""
        key = self.api_key.get_secret_value() if self.api_key else ""
        if key and len(key) < LEAST_KEY and not self.is_local:
            raise Misconfigured(
                f"ISE_API_KEY has {len(key)} characters, which is easy to guess. Use at "
                f"least {LEAST_KEY}, for example from `openssl rand -hex 24`."
            )

    @property
    def is_keyed(self) -> bool:
        """True if a key is required."""
        return bool(self.api_key or self.api_keys_file)

    def check_bind(self) -> None:
        """Refuse to serve others without a key, or with a short one. Raises Misconfigured."""
        self.check_key()
        if self.api_keys_file and not self.api_key:
            raise Misconfigured(
                "ISE_API_KEYS_FILE needs ISE_API_KEY too: the services and `ise` call "
                "each other with it."
            )
        if not (self.is_local or self.is_keyed or self.allow_open):
            setting = "ISE_ALLOWED_HOSTS" if self.on_loopback else f"ISE_HOST={self.host}"
            raise Misconfigured(
                f"{setting} lets other machines in without a key. Set ISE_API_KEY, or "
                "ISE_ALLOW_OPEN=true if access is restricted in another way."
            )


def slips(settings_type: type[Settings]) -> Iterator[str]:
    """Yield a sentence for every misspelt `ISE_` name in the environment or `.env`.

    A process knows only its own settings, so names that resemble none of them are ignored.
    """
    names = [name.upper() for name in settings_type.model_fields]
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    for full in sorted(name for name in given if name.startswith("ISE_")):
        name = full.removeprefix("ISE_")
        close = difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)
        if close and name not in names:
            yield f"{full} is not a setting; did you mean ISE_{close[0]}?"
