"""What handlers ask for: the container's services and the few facts of a request that several of them need."""

import ipaddress
from typing import Annotated

from fastapi import Depends, Query, Request

from shared_code.container import Container


async def container(request: Request) -> Container:
    found: Container = request.app.state.container
    return found


async def base_url(request: Request) -> str:
    """Where the app is reached from outside, without a slash at the end: PUBLIC_BASE_URL, else as the caller wrote it."""
    found: Container = request.app.state.container
    return found.settings.public_base_url or f"{request.url.scheme}://{request.url.netloc}"


def client_address(request: Request) -> str:
    """The caller's address: the last one in ``X-Forwarded-For`` that no trusted proxy has added (SPEC §1)."""
    found: Container = request.app.state.container
    address = request.client.host if request.client else ""
    networks = [ipaddress.ip_network(network, strict=False) for network in found.settings.trusted_proxies]
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    while hops and _within(address, networks):
        hop = hops.pop()
        address = hop.rsplit(":", 1)[0] if "." in hop else hop  # Azure's front end writes IPv4 addresses with their port
    return address


def _within(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


ContainerDep = Annotated[Container, Depends(container)]
BaseUrl = Annotated[str, Depends(base_url)]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=2048)]
