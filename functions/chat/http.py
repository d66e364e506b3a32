"""Chat over HTTP (SPEC §7)."""

from fastapi import APIRouter

from shared_code.web.endpoint import Endpoint

router = APIRouter(tags=["chat"], route_class=Endpoint)
