"""Pictures by URL, only from hosts that the settings name.

The caller chooses a URL that is fetched from inside the network, so it must not lead to addresses
that only this machine or its network can reach. A name is resolved once, all its addresses are
checked, and the connection uses one of these, so that another look-up can't change it. The same
holds for each redirect.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

import httpx

from shared.core import tls
from shared.core.errors import BadImage, Forbidden, TooLarge

Resolve = Callable[[str, int], Awaitable[list[str]]]

_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
# IPv4 addresses embedded in IPv6 (RFC 6052), which a translator would reach.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# The part of IPv6 allocated to the Internet (RFC 4291). Addresses outside it aren't public, though
# Python calls some of them so: the former site-local ones, and `::127.0.0.1`.
_GLOBAL = ipaddress.IPv6Network("2000::/3")
# Addresses of protocols and not of hosts (RFC 6890), some of which Python calls public.
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")


class Fetcher:
    """Gets files over HTTP. `hosts`: `name`, `name:port`, `*.domain`, or `*` for any public one."""

    def __init__(
        self,
        hosts: Sequence[str],
        max_bytes: int,
        seconds: float,
        resolve: Resolve | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._hosts = [host.lower() for host in hosts]
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._resolve = resolve or _resolved
        self._transport = transport

    async def get(self, text: str) -> bytes:
        """The file at a URL. Raises Forbidden, TooLarge, and BadImage where it can't be had."""
        if not self._hosts:
            raise Forbidden(
                "Fetching by `image_url` is off: name the allowed hosts in "
                "ISE_FETCH_HOSTS, or send the picture itself as `image`."
            )
        try:
            async with asyncio.timeout(self._seconds):
                return await self._followed(httpx.URL(text))
        except TimeoutError as error:
            raise BadImage(
                f"{text} took over {self._seconds:g} seconds to fetch (ISE_FETCH_SECONDS)."
            ) from error
        except (httpx.InvalidURL, httpx.HTTPError, UnicodeError) as error:
            raise BadImage(f"{text} can't be fetched: {error or type(error).__name__}.") from error

    async def _followed(self, url: httpx.URL) -> bytes:
        for _ in range(1 + _REDIRECTS):
            # No proxy and no cookies; a connection to an address is for one URL alone.
            async with httpx.AsyncClient(
                verify=tls.trusted(), transport=self._transport, trust_env=False
            ) as client:
                request = client.build_request(
                    "GET",
                    url.copy_with(host=await self._address(url)),
                    # Request no compression, because unpacking could produce gigabytes.
                    headers={"Host": url.netloc.decode(), "Accept-Encoding": "identity"},
                    extensions={"sni_hostname": url.host},
                    timeout=self._seconds,
                )
                response = await client.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await self._body(response, url)
                    url = url.join(response.headers["Location"])
                finally:
                    await response.aclose()
        raise BadImage(f"{url} redirects more than {_REDIRECTS} times.")

    async def _address(self, url: httpx.URL) -> str:
        """An address to connect to. Raises Forbidden."""
        if url.scheme not in _PORTS or url.userinfo or not url.host:
            raise Forbidden(
                f"{url} may not be fetched: only http and https URLs without a password."
            )
        port = url.port or _PORTS[url.scheme]
        if not self._is_named(url.host.lower(), port):
            raise Forbidden(
                f"{url.host}:{port} is not allowed as a source of pictures. Add it to "
                "ISE_FETCH_HOSTS."
            )
        try:
            addresses = await self._resolve(url.host, port)
        except OSError as error:
            raise BadImage(f"{url.host} can't be found.") from error
        if not addresses or not all(map(is_public, addresses)):
            raise Forbidden(
                f"{url.host} is not allowed as a source of pictures: its address isn't public."
            )
        return addresses[0]

    def _is_named(self, host: str, port: int) -> bool:
        if f"{host}:{port}" in self._hosts:
            return True
        if port not in _PORTS.values():
            return False
        return any(
            entry in ("*", host) or (entry.startswith("*.") and host.endswith(entry[1:]))
            for entry in self._hosts
        )

    async def _body(self, response: httpx.Response, url: httpx.URL) -> bytes:
        if response.status_code != 200:
            raise BadImage(f"{url} can't be fetched: it answered {response.status_code}.")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                raise TooLarge(f"{url} is over the limit of {self._max_bytes / 2**20:g} MiB.")
        return bytes(body)


def is_public(text: str) -> bool:
    """Return whether an address is one of the Internet at large, also where it wraps an IPv4
    address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None,))[0]
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
        if address not in _GLOBAL and inner is None:
            return False
    elif address in _PROTOCOLS:
        return False
    return address.is_global and not address.is_multicast


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]
