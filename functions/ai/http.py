"""The AI gateway over HTTP (SPEC §6)."""

from fastapi import APIRouter

from shared_code.web.endpoint import Endpoint

router = APIRouter(tags=["ai"], route_class=Endpoint)
