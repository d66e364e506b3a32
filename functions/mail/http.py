"""Mail over HTTP: the local outbox and what SendGrid reports (SPEC §5). Every app has these routes, as it sends mail."""

from fastapi import APIRouter

from shared_code.web.endpoint import Endpoint

router = APIRouter(tags=["mail"], route_class=Endpoint)
