"""Callers: identified once a request, for everything that needs to know."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from starlette.datastructures import Headers
from starlette.types import Scope as Connection

from shared.web.keys import ALL, Scope

_NAME = "ise.caller"
_HEADER = "X-ISE-Caller"
"""Header in which a service names the caller that it asks another service for."""
_REMEMBERED = 1024
_CALLER_BITS = 64
"""Prefix length of IPv6 addresses that a provider assigns to one customer."""


@dataclass(frozen=True)
class Caller:
    """`label`: that of the key, None without one. `address`: the client's."""

    label: str | None
    scopes: frozenset[Scope]
    address: str

    @property
    def name(self) -> str:
        """Name that distinguishes this caller from others."""
        return f"address {network_of(self.address)}" if self.label is None else f"key {self.label}"


def caller_of(connection: Connection) -> Caller:
    """Return the caller of a request; one without rights if nothing identified it."""
    found = cast(Caller | None, connection.get(_NAME))
    return found or Caller(None, frozenset(), address_of(connection))


def naming_caller(connection: Connection) -> dict[str, str]:
    """Return the header with which another service is asked for the caller of a request."""
    return {_HEADER: caller_of(connection).name}


def original_caller(connection: Connection) -> str:
    """Return the name of the caller whom a request is for, where one of our services sent it.

    Only who may do everything is believed, as our services are.
    """
    caller = caller_of(connection)
    named = Headers(scope=connection).get(_HEADER) if caller.scopes == ALL else None
    return named or caller.name


def remember(connection: Connection, caller: Caller) -> None:
    connection[_NAME] = caller


def address_of(connection: Connection) -> str:
    """The address that a request came from; that of a proxy's client, where uvicorn trusts it."""
    client = connection.get("client")
    return _address(client[0]) if client else "unknown"


@lru_cache(maxsize=_REMEMBERED)
def _address(text: str) -> str:
    try:
        # A proxy's header may contain anything.
        return str(ipaddress.ip_address(text))
    except ValueError:
        return "unknown"


@lru_cache(maxsize=_REMEMBERED)
def network_of(address: str) -> str:
    """Return the network of one caller: an IPv4 address, or the /64 of an IPv6 address.

    A customer gets at least 2^64 IPv6 addresses.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found.is_loopback:
        return str(found)
    return str(ipaddress.ip_network((int(found), _CALLER_BITS), strict=False))
