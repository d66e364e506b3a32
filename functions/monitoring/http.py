"""Monitoring over HTTP (SPEC §9)."""

from fastapi import APIRouter

from shared_code.web.endpoint import Endpoint

router = APIRouter(tags=["monitoring"], route_class=Endpoint)
