"""Settings that all services share: the environment, then a `.env` file, then the default."""

import difflib
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Misconfigured


def _at_home(folder: Path) -> Path:
    # A `.env` file has no shell that would do it.
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


Folder = Annotated[Path, AfterValidator(_at_home)]
Port = Annotated[int, Field(ge=1, le=65535)]

_ALIKE = 0.85
"""How alike a name must be to one of ours to be taken for a slip; 1 is the same."""


class Settings(BaseSettings):
    """Where things are. Every field is read from `ISE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="ISE_", env_file=".env", extra="ignore")

    data_dir: Folder = Path("data")
    api_key: SecretStr | None = None
    query_port: Port = 8000
    indexer_port: Port = 8001
    embedder_port: Port = 8002
    query_url: str = ""
    indexer_url: str = ""
    embedder_url: str = ""

    @field_validator("api_key")
    @classmethod
    def _usable_key(cls, key: SecretStr | None) -> SecretStr | None:
        text = key.get_secret_value() if key else ""
        if not (text.isascii() and text.isprintable()) or text != text.strip():
            raise ValueError("a key has printable ASCII characters only, and no blanks around it")
        return key

    def url_of(self, service: str) -> str:
        """The base URL of a service: the first as set, else on loopback at its port."""
        return self.urls_of(service)[0]

    def urls_of(self, service: str) -> list[str]:
        """All base URLs of a service, parted by commas where there are several."""
        given: str = getattr(self, f"{service}_url")
        urls = [url.strip().rstrip("/") for url in given.split(",") if url.strip()]
        return urls or [f"http://127.0.0.1:{getattr(self, f'{service}_port')}"]


class ServiceSettings(Settings):
    """What a service needs to run, beside what it does."""

    host: str = "127.0.0.1"
    allow_open: bool = Field(
        default=False,
        description="Listen off loopback without a key; for containers behind a loopback port.",
    )
    log_level: str = "info"
    max_body_bytes: int = 512 * 1024 * 1024
    max_image_bytes: int = 64 * 1024 * 1024
    max_pixels: int = Field(100_000_000, ge=1, description="Width times height of one image.")
    shutdown_seconds: int = 20

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def check_bind(self) -> None:
        """Raises Misconfigured when others could reach the service without a key."""
        if not (self.on_loopback or self.api_key or self.allow_open):
            raise Misconfigured(
                f"ISE_HOST={self.host} lets other machines in without a key. Set ISE_API_KEY, or "
                "ISE_ALLOW_OPEN=true where something else keeps them out."
            )


def slips(settings_type: type[Settings]) -> Iterator[str]:
    """A sentence for every `ISE_` name in the environment or `.env` that looks like a typing slip.

    A process knows its own settings only, so a name that is like none of them is passed over.
    """
    names = [name.upper() for name in settings_type.model_fields]
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    for full in sorted(name for name in given if name.startswith("ISE_")):
        name = full.removeprefix("ISE_")
        close = difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)
        if close and name not in names:
            yield f"{full} is not a setting; did you mean ISE_{close[0]}?"
