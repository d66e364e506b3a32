"""What every app answers, whichever services it runs: what it is, whether it is well, and its documentation (SPEC §3)."""

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from functions.dependencies import BaseUrl, ContainerDep
from shared_code import __version__
from shared_code.errors import NotFound
from shared_code.web.endpoint import Endpoint

from . import health, openapi, pages

router = APIRouter(tags=["common"], route_class=Endpoint)

STARTED = time.monotonic()


@router.get("/", name="common_root")
async def root(request: Request, base_url: BaseUrl, container: ContainerDep) -> Response:
    """What runs here; a browser gets a page."""
    facts = {
        "name": "Lydian",
        "version": __version__,
        "mode": "standalone" if container.settings.standalone else "integrated",
        "services": list(container.settings.services),
        "docs": f"{base_url}/docs",
        "health": f"{base_url}/health",
    }
    if pages.wants_html(request.headers.get("accept", "")):
        _, services = await health.summary(container)
        paths = {getattr(route, "path", "") for route in request.app.routes}
        return pages.home(facts, services, paths, outbox=container.settings.mail_outbox)
    return JSONResponse(facts, headers={"Vary": "Accept"})


@router.get("/health", name="common_health")
async def liveness(container: ContainerDep) -> dict[str, Any]:
    """Liveness and summary; it reports the last probe, at most ten seconds old, and is 200 while the app can serve."""
    status, services = await health.summary(container)
    return {"status": status, "version": __version__, "uptime_seconds": round(time.monotonic() - STARTED, 1), "services": services}


@router.get("/health/ready", name="common_ready")
async def readiness(container: ContainerDep) -> Response:
    """Probe each dependency now; 503 only when storage is down."""
    checks = await health.probe(container)
    down = {name for name, check in checks.items() if check["status"] == "down"}
    status = "down" if "storage" in down else "degraded" if down else "ok"
    return JSONResponse({"status": status, "checks": checks}, 503 if status == "down" else 200)


@router.get("/openapi.json", name="common_openapi")
async def openapi_document(request: Request) -> Response:
    """OpenAPI 3.1 of the registered services."""
    found = await openapi.rendered(request.app, "json", openapi.as_json)
    return Response(found, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})


@router.get("/docs", name="common_docs")
async def docs(request: Request) -> Response:
    """The reference page; it works with no outside network."""
    return pages.page("Lydian API reference", await openapi.rendered(request.app, "page", pages.reference))


@router.get("/static/{asset}", name="common_static")
async def static(asset: str) -> Response:
    """The few assets of our own pages."""
    return _found(pages.asset(asset))


@router.get("/static/{version}/{asset}", name="common_static_version")
async def static_version(version: str, asset: str) -> Response:
    """The same under an address that changes with them, so that they may be kept for a year."""
    return _found(pages.asset(asset, version))


def _found(asset: Response | None) -> Response:
    if asset is None:
        raise NotFound("There is no such asset.")
    return asset
