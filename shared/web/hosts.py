"""Answers only to names that are this service's own.

A page whose name is made to point at this machine after it was loaded (DNS rebinding) is of the
service's own origin, to the browser. Its requests carry that name as `Host`.
"""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.clients.replicas import each_of
from shared.core.errors import ForeignHost
from shared.core.loopback import is_address, is_loopback
from shared.core.settings import ServiceSettings
from shared.web import problem
from shared.web.guards import passed

FOREIGN_HOST = "This service doesn't accept this host name. Add it to ISE_ALLOWED_HOSTS."


class Hosts:
    """The names that a service goes by, as its settings have them."""

    def __init__(self, settings: ServiceSettings) -> None:
        # A page of another site doesn't know the key, so any host name is safe.
        guarded = settings.is_keyed and not settings.on_loopback
        self._any = "*" in settings.allowed_hosts or (guarded and not settings.allowed_hosts)
        # Names can be made to resolve to this machine, addresses can't.
        self._addresses = not settings.on_loopback
        names = {host.lower() for host in settings.allowed_hosts}
        self._domains = tuple(name[1:] for name in names if name.startswith("*."))
        self._names = names | _own_names(settings)

    def has(self, host: str | None) -> bool:
        """Return whether a `Host` header names the service. Its port doesn't matter."""
        if self._any:
            return True
        name = _name(host or "")
        if not name:
            return False
        return (
            name in self._names
            or name.endswith(self._domains)
            or is_loopback(name)
            or (self._addresses and is_address(name))
        )


class HostMiddleware:
    """Refuses a request by a name that the service doesn't go by."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_own(scope):
            passed(scope, type(self))
            await self.app(scope, receive, send)
            return
        await problem.refuse(ForeignHost(FOREIGN_HOST), scope)(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        # With two headers, the checked one may not be the effective one.
        return len(given) == 1 and self.hosts.has(given[0].decode("latin-1"))


def _own_names(settings: ServiceSettings) -> set[str]:
    """Return the names by which services call each other, and the address of this one."""
    urls = [
        url
        for name in ("query", "indexer", "embedder")
        for service in settings.urls_of(name)
        for url in each_of(service)
    ]
    return {_name(urlsplit(url).netloc) for url in urls} | {settings.host.lower()}


def _name(host: str) -> str:
    """Return the name in a `Host` header, without its port; empty if invalid."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
