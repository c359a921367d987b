"""Who asks: found out once for a request, for all that want to know."""

import ipaddress
from dataclasses import dataclass
from typing import cast

from starlette.types import Scope as Connection

from shared.keys import ALL, Scope

_NAME = "ise.caller"


@dataclass(frozen=True)
class Caller:
    """`label`: of the key that was sent, None without one. `address`: where it was sent from."""

    label: str | None
    scopes: frozenset[Scope]
    address: str

    @property
    def name(self) -> str:
        """What tells this caller from others."""
        return f"address {self.address}" if self.label is None else f"key {self.label}"


def caller_of(connection: Connection) -> Caller:
    """The caller of a request; where nobody has looked for a key, one who may do everything."""
    return cast(Caller, connection.get(_NAME)) or Caller(None, ALL, address_of(connection))


def remember(connection: Connection, caller: Caller) -> None:
    connection[_NAME] = caller


def address_of(connection: Connection) -> str:
    """The address that a request came from; that of a proxy's client, where uvicorn trusts it."""
    client = connection.get("client")
    try:
        # A proxy's header may say anything.
        return str(ipaddress.ip_address(client[0])) if client else "unknown"
    except ValueError:
        return "unknown"
