"""Whether a name or an address is one of this machine alone."""

import ipaddress


def is_address(host: str) -> bool:
    """Whether it's an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can mean itself by it."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
