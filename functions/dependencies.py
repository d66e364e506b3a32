"""What handlers ask for: the container's services and the few facts of a request that several of them need."""

import hmac
import ipaddress
import re
from typing import Annotated

from fastapi import Depends, Query, Request

from shared_code.container import Container

_HOP = re.compile(r"\[([^\]]*)\](?::[0-9]*)?|([0-9.]+):[0-9]*")


async def container(request: Request) -> Container:
    found: Container = request.app.state.container
    return found


async def base_url(request: Request) -> str:
    """Where the app is reached from outside, without a slash at the end: PUBLIC_BASE_URL, else as the caller wrote it."""
    found: Container = request.app.state.container
    return found.settings.public_base_url or f"{request.url.scheme}://{request.url.netloc}"


def client_address(request: Request) -> str:
    """The caller's address: the last one in ``X-Forwarded-For`` that no trusted proxy has added (SPEC §1); behind our own
    Front Door the one that it saw (https://learn.microsoft.com/azure/frontdoor/front-door-http-headers-protocol)."""
    found: Container = request.app.state.container
    ours = found.settings.front_door_id
    if ours and hmac.compare_digest(request.headers.get("x-azure-fdid", "").encode(), ours.encode()):
        seen = _address(request.headers.get("x-azure-socketip", ""))
        if seen is not None:
            return seen
    address = request.client.host if request.client else ""
    networks = [ipaddress.ip_network(network, strict=False) for network in found.settings.trusted_proxies]
    # A proxy may add a header of its own behind the caller's: all of them are one list (RFC 9110, 5.3).
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while hops and _within(address, networks):
        hop = _address(hops.pop())
        if hop is None:
            break  # a proxy of ours wrote no address: it is the nearest that we know
        address = hop
    return address


def _within(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    plain = _address(address)
    return plain is not None and any(ipaddress.ip_address(plain) in network for network in networks)


def _address(hop: str) -> str | None:
    """``192.0.2.1``, ``192.0.2.1:443`` (so does Azure's front end), ``2001:db8::1`` or ``[2001:db8::1]:443``, in one form."""
    match = _HOP.fullmatch(hop.strip())
    try:
        parsed = ipaddress.ip_address((match[1] or match[2]) if match else hop.strip())
    except ValueError:
        return None
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


ContainerDep = Annotated[Container, Depends(container)]
BaseUrl = Annotated[str, Depends(base_url)]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
