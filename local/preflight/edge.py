"""What stands at the door: TLS, headers, routes, CORS (SPEC §1)."""

import socket
import ssl
import time
from urllib.parse import urlsplit

import httpx

from .target import Broken, CannotTell, Target, json_of, part

CERTIFICATE_DAYS = 14
"""A managed certificate is renewed long before; fewer days left mean that it was not."""


def tls(target: Target) -> str:
    parts = urlsplit(target.url)
    if parts.scheme != "https":
        if target.local:
            raise CannotTell("no TLS on this machine")
        raise Broken(f"{target.url} is not https")
    host, port = parts.hostname or "", parts.port or 443
    with socket.create_connection((host, port), timeout=15) as plain:
        try:
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure:
                version, certificate = secure.version(), secure.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            raise Broken(f"the certificate is not valid for {host}: {error.verify_message}") from None
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / 86400
    if days < CERTIFICATE_DAYS:
        raise Broken(f"the certificate ends in {days:.0f} days")
    return f"{version}, certificate for {days:.0f} more days"


def redirect(target: Target) -> str:
    parts = urlsplit(target.url)
    if parts.scheme != "https" or parts.port not in (None, 443):
        raise CannotTell("only an https address has a http one beside it")
    plain = httpx.get(f"http://{parts.hostname}/health", timeout=15, trust_env=False)
    where = plain.headers.get("location", "")
    if plain.status_code not in (301, 302, 307, 308) or not where.startswith("https://"):
        raise Broken(f"http://{parts.hostname} answers {plain.status_code} instead of leading to https")
    return f"{plain.status_code} to {where}"


def headers(target: Target) -> str:
    wanted = f"preflight-{time.time_ns()}"
    response = target.client.get("/health", headers={"X-Request-ID": wanted})
    target.judged(response)
    _is(response, "x-content-type-options", "nosniff")
    _is(response, "x-request-id", wanted)
    page = target.client.get("/docs", headers={"Accept": "text/html"})
    policy = page.headers.get("content-security-policy", "")
    if "default-src" not in policy or "unsafe-inline" in policy.partition("script-src")[2].partition(";")[0]:
        raise Broken(f"/docs has no strict Content-Security-Policy: {policy[:80]!r}")
    return "nosniff, a strict CSP, and our own X-Request-ID came back"


def well_known(target: Target) -> str:
    """That the host lets ``/.well-known`` through, and that both documents fit together."""
    found = json_of(target.client.get("/.well-known/openid-configuration"))
    keys = part(json_of(target.client.get("/.well-known/jwks.json")), "keys")
    issuer, jwks_uri = part(found, "issuer"), part(found, "jwks_uri")
    if not keys:
        raise Broken("jwks.json holds no key: is JWT_PRIVATE_KEY set?")
    if not target.local and not str(jwks_uri).startswith(target.url):
        raise Broken(f"jwks_uri is {jwks_uri}, not below {target.url}: is PUBLIC_BASE_URL right?")
    return f"issuer {issuer}, {len(keys)} key(s)"


def root(target: Target) -> str:
    """That ``/`` is ours, not Azure's welcome page (``AzureWebJobsDisableHomepage``)."""
    facts = json_of(target.client.get("/", headers={"Accept": "application/json"}))
    if part(facts, "name") != "Lydian":
        raise Broken(f"/ is somebody else's: {facts!r:.80}")
    return f"version {part(facts, 'version')}, {part(facts, 'mode')}: {', '.join(part(facts, 'services'))}"


def not_found_and_not_allowed(target: Target) -> str:
    """That unknown routes and wrong methods reach our own answers: the host's have no body."""
    missing = target.client.get("/api/no-such-thing")
    if missing.status_code != 404 or missing.headers.get("content-type") != "application/problem+json":
        raise Broken(f"an unknown path answered {missing.status_code} {missing.headers.get('content-type')}, not our 404")
    wrong = target.client.delete("/health")
    if wrong.status_code != 405 or "GET" not in wrong.headers.get("allow", ""):
        raise Broken(f"DELETE /health answered {wrong.status_code}, Allow {wrong.headers.get('allow')!r}")
    return f"404 is a problem, 405 allows {wrong.headers['allow']}"


def non_ascii(target: Target) -> str:
    """The worker passes headers through a channel that holds text: what is none must not become a 500."""
    for value in ("café".encode(), "café".encode("latin-1")):
        response = target.client.get("/health", headers=[(b"X-Note", value), (b"X-Request-ID", value), (b"User-Agent", value)])
        if response.status_code != 200:
            raise Broken(f"a header with {value!r} is answered {response.status_code}")
        echoed = response.headers.get("x-request-id", "")
        if not echoed or not echoed.isascii():
            raise Broken(f"a request id that is not ASCII is answered with {echoed!r}")
    return "UTF-8 and Latin-1 pass, and the request id is made anew"


def cors(target: Target) -> str:
    stranger = _preflight(target, "https://stranger.example")
    if stranger in ("*", "https://stranger.example"):
        raise Broken(f"any origin may call it: Access-Control-Allow-Origin is {stranger!r}")
    if not target.options.origin:
        return "a strange origin is let nowhere; name one of CORS_ORIGINS with --origin to see that it may"
    mine = _preflight(target, target.options.origin)
    if mine != target.options.origin:
        raise Broken(f"{target.options.origin} is not allowed (got {mine!r}): is it in CORS_ORIGINS, with scheme and without a slash?")
    return f"{mine} may call it, a strange origin may not"


def _preflight(target: Target, origin: str) -> str:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = target.client.options("/api/files/upload-url", headers=asked)
    return str(answer.headers.get("access-control-allow-origin", ""))


def _is(response: httpx.Response, name: str, value: str) -> None:
    if response.headers.get(name) != value:
        raise Broken(f"{name} is {response.headers.get(name)!r}, not {value!r}")
