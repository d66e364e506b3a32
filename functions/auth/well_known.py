"""What a gateway reads to verify our tokens (docs/guides/gateway.md)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from functions.dependencies import BaseUrl, ContainerDep

MAX_AGE = 300
"""Seconds that anyone may keep these documents: as long as our own apps keep the keys."""

IfNoneMatch = Annotated[str | None, Header()]


def add_routes(router: APIRouter) -> None:
    router.get("/.well-known/jwks.json", name="auth_jwks", response_model=dict[str, Any])(jwks)
    router.get("/.well-known/openid-configuration", name="auth_discovery", response_model=dict[str, Any])(discovery)


async def jwks(container: ContainerDep, if_none_match: IfNoneMatch = None) -> Response:
    """The public keys (RFC 7517); one that is being rotated in or out is listed too."""
    return _public(await container.key_store.jwks(), if_none_match)


async def discovery(base_url: BaseUrl, container: ContainerDep, if_none_match: IfNoneMatch = None) -> Response:
    """Enough of OpenID Connect Discovery 1.0 for a gateway to verify our access tokens; `issuer` is their `iss`."""
    signing = await container.key_store.signing()
    document = {
        "issuer": container.settings.issuer,
        "jwks_uri": f"{base_url}/.well-known/jwks.json",
        "token_endpoint": f"{base_url}/api/auth/login",
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in signing}),
        "claims_supported": ["iss", "aud", "sub", "sid", "role", "iat", "exp", "jti"],
    }
    return _public(document, if_none_match)


def _public(document: Mapping[str, Any], if_none_match: str | None) -> Response:
    """The document, or 304 to who has it (RFC 9110, 13.1.2)."""
    body = json.dumps(document, separators=(",", ":")).encode()
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "Cache-Control": f"public, max-age={MAX_AGE}"}
    known = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
