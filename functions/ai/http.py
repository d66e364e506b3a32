"""The AI gateway over HTTP (SPEC §6)."""

from fastapi import APIRouter

from shared_code.web.endpoint import Endpoint

from . import usage

router = APIRouter(tags=["ai"], route_class=Endpoint)

usage.add_routes(router)
