"""Settings that all services share: the environment, then a `.env` file, then the default."""

import ipaddress
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import Misconfigured


class Settings(BaseSettings):
    """Where things are. Every field is read from `ISE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="ISE_", env_file=".env", extra="ignore")

    data_dir: Path = Path("data")
    api_key: SecretStr | None = None
    query_port: int = 8000
    indexer_port: int = 8001
    embedder_port: int = 8002
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
        """The base URL of a service: as set, else on loopback at its port."""
        given: str = getattr(self, f"{service}_url")
        return given.rstrip("/") or f"http://127.0.0.1:{getattr(self, f'{service}_port')}"


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
