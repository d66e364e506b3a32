"""One trivial route under the middleware of the real app, bridged to Azure Functions as the real app is."""

import azure.functions as func
from fastapi import APIRouter

from shared_code.settings import get_settings
from shared_code.web import app as web_app
from shared_code.web import azure_http, bridge

router = APIRouter()


@router.get("/api/hello", name="bench_hello")
async def hello() -> dict[str, str]:
    return {"message": "hello"}


web = web_app.build(get_settings(), [router])
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
bridge.register(app, web, web.router.routes)

__all__ = ["app", "azure_http"]
