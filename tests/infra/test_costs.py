"""The cost script: its sums, and that its table and its assumptions are honest."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from croniter import croniter

from infra.costs import ALERT_SERIES, HOURS, LEFT_OUT, TABLE, Assumptions, Item, Prices, at_rest, main, parse, per_million, total
from tests.infra.bicep import ROOT, read

DATA = json.loads(TABLE.read_text())
PRICES = Prices()
LIST_TIMERS = """
import function_app, json
found = {}
for function in function_app.app.get_functions():
    for binding in function.get_bindings():
        shown = binding.get_dict_repr()
        if shown.get("type") == "timerTrigger":
            found[function.get_function_name()] = shown["schedule"]
print(json.dumps(found))
"""


PLACE = re.compile(r"https://[^\s@]+|[\w.-]+/[\w.-]+@[0-9a-f]{40}:[\w./-]+")
"""Where a stranger can open a source: an address, or a file of a repository on GitHub at a commit."""


@pytest.mark.parametrize("row", DATA["rows"], ids=lambda row: row["key"])
def test_each_row_says_where_its_price_was_read_and_of_which_day_that_is(row: dict[str, Any]) -> None:
    assert row.keys() == {"key", "what", "unit", "price", "free", "official", "sources"}
    assert row["official"].startswith("https://azure.microsoft.com/pricing/")
    assert row["what"]
    assert row["unit"]
    assert row["sources"], "a price that nobody has written down is no row: name what it is for in LEFT_OUT"
    for source in row["sources"]:
        assert source.keys() == {"price", "region", "at", "dated", "says"}
        assert PLACE.fullmatch(source["at"]), source["at"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", source["dated"]), source
        assert date.fromisoformat(source["dated"]) <= date.fromisoformat(DATA["looked_up"])
        assert source["region"]
        assert re.search(r"\d", source["says"]), "the figure as the source has it"
        assert "memory" not in source["says"]
    found = [Decimal(source["price"]) for source in row["sources"]]
    assert min(found) >= 0
    assert Decimal(row["price"]) == max(found), "the dearest of what its sources say"
    assert Decimal(row["free"]) >= 0


def test_no_row_is_there_twice() -> None:
    assert len({row["key"] for row in DATA["rows"]}) == len(DATA["rows"])


def test_every_row_is_used_and_every_use_has_a_row() -> None:
    source = (ROOT / "infra/costs.py").read_text()
    used = set(re.findall(r'prices\.item\(\s*"(\w+)"', source))
    used |= {f"front_door_{tier}" for tier in ("standard", "premium")} | {f"front_door_requests_{tier}" for tier in ("standard", "premium")}
    assert used == PRICES.rows.keys()


def test_a_sum_by_hand() -> None:
    given = Assumptions(milliseconds=2500, together=5, kilobytes=10, front_door="None")
    cost = {item.what.partition(":")[0]: item.cost for item in per_million(PRICES, given)}
    # 2.5 s of 2 GB for each of a million requests, five at a time: a million GB-seconds.
    assert cost["Functions Flex Consumption, on demand, execution time"] == Decimal("26")
    assert cost["Functions Flex Consumption, on demand, executions"] == Decimal("0.40")
    assert cost["Azure to the internet, without Front Door"] == Decimal("0.87")
    assert "Front Door" not in "".join(item.what for item in per_million(PRICES, given)).replace("without Front Door", "")


def test_an_instance_is_billed_for_a_second_at_least_and_shared() -> None:
    quick, slow = (total(per_million(PRICES, Assumptions(milliseconds=each))) for each in (1, 1000))
    assert quick == slow
    assert total(per_million(PRICES, Assumptions(together=8))) < quick


def test_what_is_free_each_month_is_free_at_rest_only() -> None:
    assert total([PRICES.item("logs_gb", 5)]) == 0
    assert total([PRICES.item("logs_gb", 6)]) == PRICES.rows["logs_gb"].price
    assert total([PRICES.item("logs_gb", 5, grant=False)]) == 5 * PRICES.rows["logs_gb"].price
    assert total([PRICES.item("flex_gb_second", 10)]) == 0


@pytest.mark.parametrize(
    "change",
    [{"apps": 6}, {"front_door": "Premium"}, {"always_ready": 1}, {"private_network": True}, {"dns_zone": True}, {"web_tests": 99999}],
    ids=str,
)
def test_whatever_is_added_costs_more_at_rest(change: dict[str, int]) -> None:
    assert total(at_rest(PRICES, dataclasses.replace(Assumptions(), **change))) > total(at_rest(PRICES, Assumptions()))


def test_nothing_in_front_costs_less() -> None:
    without = dataclasses.replace(Assumptions(), front_door="None")
    assert total(at_rest(PRICES, without)) <= total(at_rest(PRICES, Assumptions())) - 35


def test_six_apps_have_something_in_front_even_if_none_is_said() -> None:
    assert "standalone && frontDoor == 'None' ? 'Standard'" in (ROOT / "infra/main.bicep").read_text()
    assert at_rest(PRICES, Assumptions(apps=6, front_door="None")) == at_rest(PRICES, Assumptions(apps=6))


def test_the_assumptions_are_the_templates() -> None:
    # Five places, every 300 s.
    (test,) = [body for _, body in read("modules/alerts").resources("Microsoft.Insights/webtests")]
    places = len(read("modules/alerts").variables["places"])
    assert Assumptions().web_tests == places * HOURS * 3600 // test["properties"]["Frequency"]
    config = (ROOT / "infra/modules/app.bicep").read_text()
    assert "instanceMemoryMB: 2048" in config
    assert Assumptions().front_door == read("main").params["frontDoor"][1]
    assert Assumptions().always_ready == read("main").params["alwaysReady"][1]
    assert Assumptions().private_network == read("main").params["privateNetwork"][1]
    assert Assumptions().models == bool(read("main").params["openAiDeployments"][1])


def amounts(given: Assumptions) -> dict[str, Decimal]:
    """What is paid for at rest, in units: key → amount."""
    counted: dict[str, Decimal] = {}

    class Counting(Prices):
        def item(self, key: str, amount: Decimal | int, *, grant: bool = True, count: str = "") -> Item:
            counted[key] = counted.get(key, Decimal(0)) + amount
            return super().item(key, amount, grant=grant, count=count)

    at_rest(Counting(), given)
    return counted


def test_the_alerts_are_those_of_the_template() -> None:
    alerts = read("modules/alerts")
    series = {"edge": 0, "other": 0}
    for _, body in alerts.resources("Microsoft.Insights/metricAlerts"):
        criteria = body["properties"]["criteria"]
        of_rule = len(alerts.variables["places"]) if "Webtest" in criteria["odata.type"] else len(criteria["allOf"])
        series["edge" if "edge" in body["name"] else "other"] += of_rule
    assert series == {"edge": 1, "other": ALERT_SERIES}
    assert amounts(Assumptions())["metric_alert"] == ALERT_SERIES + 1
    assert amounts(Assumptions(front_door="None"))["metric_alert"] == ALERT_SERIES
    every = Counter(query["every"] for query in alerts.variables["queries"])
    assert every == {"PT5M": amounts(Assumptions())["log_alert_5"], "PT15M": amounts(Assumptions())["log_alert_15"]}


@pytest.mark.parametrize("models", [False, True])
def test_the_private_network_is_that_of_the_template(models: bool) -> None:
    network = read("modules/network")
    endpoints = len(network.variables["withoutModels"]) + (len(network.variables["models"]) if models else 0)
    found = amounts(Assumptions(private_network=True, models=models))
    assert found["private_endpoint"] == endpoints * HOURS
    assert found["dns_zone"] == endpoints
    kinds = Counter(kind for kind, _ in network.resources())
    assert kinds["Microsoft.Network/natGateways"] * HOURS == found["nat_gateway"]
    assert kinds["Microsoft.Network/publicIPAddresses"] * HOURS == found["public_address"]


def test_the_storage_is_of_the_kind_that_the_prices_are_of() -> None:
    assert read("main").params["storageRedundancy"][1] == "Standard_ZRS"
    of_storage = [row for row in PRICES.rows.values() if row.key.startswith(("blob_", "table_", "queue_"))]
    assert all("ZRS" in row.what for row in of_storage)
    (account,) = [body for kind, body in read("modules/storage").resources() if kind == "Microsoft.Storage/storageAccounts"]
    assert account["properties"]["accessTier"] == "Hot"
    # With the account's key, operations on tables have other prices, many times higher.
    assert account["properties"]["encryption"]["services"]["table"]["keyType"] == "Service"


def test_whatever_wakes_an_app_at_rest_is_billed_as_a_second_of_an_instance() -> None:
    found = amounts(Assumptions(timer_runs=1000, probe_runs=100, web_tests=10, apps=6))
    assert found["flex_gb_second"] == (1000 + 5 * 100 + 10) * 2
    assert found["flex_executions"] == Decimal(1510) / 1_000_000
    assert found["front_door_requests_standard"] == Decimal("0.001")


def test_the_timers_are_those_of_the_code() -> None:
    environment = {"SERVICES": "all", "ENVIRONMENT": "local", "AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    run = subprocess.run(
        [sys.executable, "-c", LIST_TIMERS], cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=True, timeout=60
    )
    timers = json.loads(run.stdout.splitlines()[-1])
    start = datetime(2026, 11, 1)

    def runs(schedule: str) -> float:
        times = croniter(schedule, start, second_at_beginning=True)
        day = 0
        while times.get_next(datetime) <= start + timedelta(days=1):
            day += 1
        return day * 365 / 12

    counted = sum(runs(schedule) for schedule in timers.values())
    assert Assumptions().timer_runs == pytest.approx(counted, rel=0.1), f"timer_runs of infra/costs.py: the code has {counted:,.0f} a month"
    common = sum(runs(schedule) for name, schedule in timers.items() if name.startswith(("common_", "mail_")))
    assert Assumptions().probe_runs == pytest.approx(common, rel=0.1)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--apps", "6", "--front-door", "Premium", "--private-network"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^A month at rest: \d+\.\d\d USD$", said, re.M)
    assert all(each in said for each in LEFT_OUT)
    assert re.search(r"Each row has its sources, the newest of days from 20\d\d-\d\d-\d\d to 20\d\d-\d\d-\d\d\.", said)
    assert parse([]) == Assumptions()
    with pytest.raises(SystemExit):
        parse(["--front-door", "Gold"])


def test_the_guide_says_what_the_script_says() -> None:
    guide = (ROOT / "docs/deployment.md").read_text()
    for change in ({}, {"apps": 6}, {"front_door": "None"}, {"front_door": "Premium"}, {"private_network": True}):
        given = dataclasses.replace(Assumptions(), **change)
        assert f"{total(at_rest(PRICES, given)):.0f} USD" in guide, change
    for together in (1, 8):
        assert f"{total(per_million(PRICES, Assumptions(together=together))):.0f} USD" in guide
    costs = {item.what.partition(":")[0]: item.cost for item in at_rest(PRICES, Assumptions())}
    assert f"{costs['Application Insights, standard web test']:.0f} are the availability test" in " ".join(guide.split())
    oldest, newest = PRICES.days()
    assert f"between {oldest} and {newest}" in " ".join(guide.split())
