"""Hosts that name this computer, and addresses that no other computer reaches."""

import socket
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")  # the usual ones


def is_loopback(address: str) -> bool:
    """Return whether an IP address is one that only this computer reaches: 127.0.0.2 and ::ffff:127.0.0.1 as well as 127.0.0.1."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (inner or found).is_loopback


def leads_here(host: str) -> bool:
    """Return whether a host, in any spelling, leads to this computer alone: LOCALHOST and 127.1 as well as localhost."""
    with suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return all(is_loopback(str(place[0])) for *_, place in found)
    return False
