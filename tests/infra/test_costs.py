"""The cost script: its sums, and that its table and its assumptions are honest."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from croniter import croniter

from infra.costs import TABLE, Assumptions, Prices, at_rest, main, parse, per_million, total
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


def test_each_row_says_where_its_price_was_read_and_when() -> None:
    assert len({row["key"] for row in DATA["rows"]}) == len(DATA["rows"])
    for row in DATA["rows"]:
        assert row["official"].startswith("https://azure.microsoft.com/pricing/"), row["key"]
        assert row["read_at"], row["key"]
        assert row["unit"], row["key"]
        assert Decimal(row["price"]) > 0
        # What only memory gave is not called confirmed, and what is has a day or is one of Microsoft's samples.
        assert row["confirmed"] is not row["read_at"].startswith("memory"), row["key"]
    datetime.fromisoformat(DATA["looked_up"])


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
    assert total([PRICES.item("logs_gb", 6)]) == Decimal("2.30")
    assert total([PRICES.item("logs_gb", 5, grant=False)]) == Decimal("11.50")
    assert total([PRICES.item("flex_gb_second", 10)]) == 0


@pytest.mark.parametrize(
    "change",
    [{"apps": 6}, {"front_door": "Premium"}, {"always_ready": 1}, {"private_network": True}, {"dns_zone": True}, {"stored_gb": 1000}],
    ids=str,
)
def test_whatever_is_added_costs_more_at_rest(change: dict[str, int]) -> None:
    assert total(at_rest(PRICES, dataclasses.replace(Assumptions(), **change))) > total(at_rest(PRICES, Assumptions()))


def test_nothing_in_front_costs_less() -> None:
    without = dataclasses.replace(Assumptions(), front_door="None")
    assert total(at_rest(PRICES, without)) <= total(at_rest(PRICES, Assumptions())) - 35


def test_the_assumptions_are_the_templates() -> None:
    # Five places, every 300 s.
    (test,) = [body for _, body in read("modules/alerts").resources("Microsoft.Insights/webtests")]
    places = len(read("modules/alerts").variables["places"])
    assert Assumptions().web_tests == places * 730 * 3600 // test["properties"]["Frequency"]
    config = (ROOT / "infra/modules/app.bicep").read_text()
    assert "instanceMemoryMB: 2048" in config
    assert Assumptions().front_door == read("main").params["frontDoor"][1]
    assert Assumptions().always_ready == read("main").params["alwaysReady"][1]


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
    assert "price not confirmed" in said
    assert parse([]) == Assumptions()
    with pytest.raises(SystemExit):
        parse(["--front-door", "Gold"])


def test_the_guide_says_what_the_script_says() -> None:
    guide = (ROOT / "docs/deployment.md").read_text()
    for change in ({}, {"apps": 6}, {"front_door": "None"}, {"front_door": "Premium"}):
        given = dataclasses.replace(Assumptions(), **change)
        assert f"{total(at_rest(PRICES, given)):.0f} USD" in guide, change
    for together in (1, 8):
        assert f"{total(per_million(PRICES, Assumptions(together=together))):.0f} USD" in guide
    assert Path(ROOT / "infra/prices.json").is_file()
