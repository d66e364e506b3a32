"""One host name for six apps: each path of the API arrives at an app that serves it, and nothing private is cached."""

import json
import re

import pytest

from shared_code.settings import SERVICES
from tests.infra.bicep import ROOT, read

GATEWAY, EDGE = read("modules/gateway"), read("modules/edge")
PATHS = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
# Routes of the specification that are not built yet.
PLANNED = {
    "/api/ai/v1/chat/completions": "ai",
    "/api/ai/usage": "ai",
    "/api/chat/conversations": "chat",
    "/api/chat/search": "chat",
    "/api/payments/create-payment-intent": "payments",
    "/api/payments/config": "payments",
    "/api/customers/create": "payments",
    "/api/subscriptions": "payments",
    "/api/subscriptions/create": "payments",
    "/api/invoices": "payments",
    "/api/refunds": "payments",
    "/api/refunds/create": "payments",
    "/api/webhooks/stripe": "payments",
    "/api/monitoring/health": "monitoring",
    "/metrics": "monitoring",
    "/status/feed.xml": "monitoring",
    "/monitor": "monitoring",
}


def app_of(path: str, standalone: bool) -> str:
    """As Front Door decides: an exact pattern first, else the longest wildcard that begins the path."""
    routes = [*GATEWAY.variables["sixApps" if standalone else "oneApp"]]
    for route in GATEWAY.variables["cached"]:
        six, one = route["key"].partition(" ? ")[2].replace("'", "").split(" : ")
        routes.append(route | {"key": six if standalone else one})
    patterns = {pattern: route["key"] for route in routes for pattern in route["patterns"]}
    assert len(patterns) == sum(len(route["patterns"]) for route in routes), "Azure refuses the same pattern twice"
    if path in patterns:
        return patterns[path]
    return patterns[max((each for each in patterns if each.endswith("/*") and path.startswith(each[:-1])), key=len)]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_document_reaches_an_app_that_serves_it(path: str) -> None:
    ((service,),) = {tuple(operation["tags"]) for operation in PATHS[path].values() if isinstance(operation, dict) and "tags" in operation}
    found = app_of(path.replace("{", "").replace("}", ""), standalone=True)
    assert found in SERVICES if service in ("common", "mail") else found == service  # those two are in every app
    assert app_of(path, standalone=False) == "app"


def test_paths_to_come_reach_theirs_and_unknown_ones_an_app_that_says_404() -> None:
    assert {path: app_of(path, standalone=True) for path in PLANNED} == PLANNED
    assert app_of("/nothing/here", standalone=True) == "monitoring"


def test_only_assets_and_public_keys_are_cached() -> None:
    assert [pattern for route in GATEWAY.variables["cached"] for pattern in route["patterns"]] == ["/static/*", "/.well-known/jwks.json"]
    routes = [body["properties"] for _, body in GATEWAY.resources("Microsoft.Cdn/profiles/afdEndpoints/routes")]
    assert sorted("cacheConfiguration" in route for route in routes) == [False, True]
    assert all(route["forwardingProtocol"] == "HttpsOnly" and route["httpsRedirect"] == "Enabled" for route in routes)


def test_the_waf_blocks_and_counts_by_the_address_that_connects() -> None:
    (properties,) = [body["properties"] for _, body in EDGE.resources("Microsoft.Network/FrontDoorWebApplicationFirewallPolicies")]
    assert (properties["policySettings"]["enabledState"], properties["policySettings"]["mode"]) == ("Enabled", "Prevention")
    limits = [rule for rule in properties["customRules"]["rules"] if rule["ruleType"] == "RateLimitRule"]
    assert len(limits) == 2
    # X-Forwarded-For is the client's to write, the socket's address is not.
    assert all(rule["groupBy"] == [{"variableName": "SocketAddr"}] and rule["action"] == "Block" for rule in limits)
    assert all(condition["matchVariable"] != "RemoteAddr" for rule in limits for condition in rule["matchConditions"])


@pytest.mark.parametrize(
    ("uri", "blocked"),
    [
        ("/admin/host/status", True),
        ("/runtime/webhooks/blobs", True),
        ("https://api.contoso.com:443/admin", True),
        ("//admin/functions", True),
        ("/admin?code=x", True),
        ("/api/files/admin/metadata", False),
        ("/share/runtime/x", False),
        ("/administrators", False),
    ],
)
def test_the_hosts_own_doors_are_closed_at_the_edge(uri: str, blocked: bool) -> None:
    (properties,) = [body["properties"] for _, body in EDGE.resources("Microsoft.Network/FrontDoorWebApplicationFirewallPolicies")]
    (rule,) = [rule for rule in properties["customRules"]["rules"] if rule["name"] == "hostDoors"]
    (condition,) = rule["matchConditions"]
    # https://learn.microsoft.com/azure/web-application-firewall/afds/waf-front-door-custom-rules: none that captures.
    assert not re.search(r"\((?!\?:)", condition["matchValue"][0])
    assert bool(re.search(condition["matchValue"][0], uri)) is blocked


def test_logs_keep_no_tokens() -> None:
    # The token of a share is in its path, that of a one-time link in its query.
    assert EDGE.text.count("{ matchVariable: 'RequestUri', selectorMatchOperator: 'EqualsAny', state: 'Enabled' }") == 2
