"""Signatures: our tokens against our keys, and Stripe's webhook against its secret."""

import hashlib
import hmac
import json
import time

import jwt

from .target import Broken, CannotTell, Target, json_of, part


def token(target: Target) -> str:
    """As a gateway in front would check it (docs/guides/gateway.md), and that a broken one is refused."""
    target.bearer  # noqa: B018 - raises without a token
    keys = json_of(target.client.get("/.well-known/jwks.json"))
    if not part(keys, "keys"):
        raise Broken("jwks.json holds no key")
    if target.token.startswith("lyd_"):
        raise CannotTell("an API key is no JWT: give an access token")
    try:
        known = {key.key_id: key for key in jwt.PyJWKSet.from_dict(keys).keys}
        kid = jwt.get_unverified_header(target.token).get("kid")
        if kid not in known:
            raise Broken(f"the token was signed with {kid}, which is not among the {len(known)} published keys")
        issuer = part(json_of(target.client.get("/.well-known/openid-configuration")), "issuer")
        claims = jwt.decode(
            target.token,
            known[kid].key,
            algorithms=["RS256", "ES256"],
            issuer=issuer,
            options={"verify_aud": False, "require": ["exp", "sub", "iss"]},
        )
    except jwt.ExpiredSignatureError:
        raise CannotTell("the token has expired: sign in again") from None
    except jwt.PyJWTError as error:
        raise Broken(f"the published keys do not verify the token: {error}") from None
    head, _, signature = target.token.rpartition(".")
    forged = f"{head}.{'A' * len(signature)}"
    answer = target.client.get("/api/auth/me", headers={"Authorization": f"Bearer {forged}"})
    if answer.status_code not in (401, 404):
        raise Broken(f"a token with a forged signature is answered {answer.status_code}")
    return f"{jwt.get_unverified_header(target.token)['alg']} by key {kid}, audience {claims.get('aud')}; a forged one is refused"


def webhook(target: Target) -> str:
    body = json.dumps(
        {
            "id": f"evt_preflight{time.time_ns()}",
            "object": "event",
            "type": "lydian.preflight",
            "created": int(time.time()),
            "data": {"object": {}},
        }
    )
    forged = target.client.post("/api/webhooks/stripe", content=body, headers={"Stripe-Signature": _signature(body, "not the secret")})
    if forged.status_code == 400:
        seen = "a forged event is refused"
    else:
        target.judged(forged, 400)  # 503: no secret is configured, so nothing is let in unverified
        raise AssertionError("unreachable")  # pragma: no cover
    secret = target.options.webhook_secret.split(",")[0].strip()
    if not secret:
        return f"{seen}; set STRIPE_WEBHOOK_SECRET to see that a true one is taken"
    answer = target.client.post("/api/webhooks/stripe", content=body, headers={"Stripe-Signature": _signature(body, secret)})
    if not answer.is_success:
        raise Broken(f"an event signed with STRIPE_WEBHOOK_SECRET is answered {answer.status_code}: the vault holds another secret")
    return f"{seen}, a true one is taken"


def _signature(body: str, secret: str) -> str:
    """https://docs.stripe.com/webhooks#verify-manually"""
    now = int(time.time())
    return f"t={now},v1={hmac.new(secret.encode(), f'{now}.{body}'.encode(), hashlib.sha256).hexdigest()}"
