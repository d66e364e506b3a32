"""Monitoring over HTTP (SPEC §9). Each part has a module of its own beside this one."""

from fastapi import APIRouter

from shared_code.web.endpoint import Endpoint

from . import alerts, announcements, metrics, operator_page, statistics, status_page, traffic, traffic_series, uptime

router = APIRouter(tags=["monitoring"], route_class=Endpoint)

statistics.add_routes(router)
operator_page.add_routes(router)
uptime.add_routes(router)
announcements.add_routes(router)
status_page.add_routes(router)
traffic.add_routes(router)
metrics.add_routes(router)
traffic_series.add_routes(router)
alerts.add_routes(router)
