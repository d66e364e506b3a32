"""What a deployment costs: a month at rest, and a million requests. `make costs`, or `python infra/costs.py --help`.

The sums are of the price table in infra/prices.json, each row of which says in which sources its price was read and of which day
they speak, and of the assumptions below, all of which can be given. Amounts are exact decimals; nothing here is a quotation.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "prices.json"
HOURS = 730
"""Of a month, as Azure counts them."""
GB = Decimal(2)
"""``instanceMemoryMB`` of infra/modules/app.bicep."""
ALERT_SERIES = 7
"""Of the metric alerts of infra/modules/alerts.bicep: each place of the availability test, and two rules; Front Door adds one."""
LEFT_OUT = (
    "models, mail and Stripe's fees",
    "what Azure itself asks of the storage account: leases, and looks into queues while no instance runs",
    "DNS queries, mails of alerts",
    "data through the NAT gateway and the private endpoints",
)
"""What no sum has, and the command says so."""
ZERO = Decimal(0)


@dataclass(frozen=True)
class Row:
    key: str
    what: str
    unit: str
    price: Decimal
    free: Decimal

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Row":
        return cls(data["key"], data["what"], data["unit"], Decimal(data["price"]), Decimal(data["free"]))


@dataclass(frozen=True)
class Assumptions:
    apps: int = field(default=1, metadata={"help": "1 (integrated) or 6 (standalone)"})
    front_door: str = field(default="Standard", metadata={"help": "None (of one app only), Standard or Premium"})
    always_ready: int = field(default=0, metadata={"help": "instances for HTTP in each app"})
    private_network: bool = field(default=False, metadata={"help": "private endpoints and a NAT gateway"})
    models: bool = field(default=False, metadata={"help": "an Azure OpenAI account, whose private endpoint is one more"})
    dns_zone: bool = field(default=False, metadata={"help": "a public zone in Azure DNS"})
    timer_runs: int = field(default=285000, metadata={"help": "runs of all timers in a month, of one app that has them all"})
    probe_runs: int = field(default=43860, metadata={"help": "of those, runs in a month of timers that every app has"})
    stored_gb: int = field(default=10, metadata={"help": "blobs"})
    rows_gb: int = field(default=1, metadata={"help": "table rows"})
    web_tests: int = field(default=43800, metadata={"help": "of /health/ready in a month: five places, every 5 minutes"})
    milliseconds: int = field(default=60, metadata={"help": "of a request, on the average"})
    together: int = field(default=1, metadata={"help": "requests that share an instance's second; 1 is a quiet service and the dearest"})
    table_calls: int = field(default=4, metadata={"help": "of a request, on the average"})
    queue_calls: int = field(default=1, metadata={"help": "of ten requests"})
    uploads: int = field(default=20, metadata={"help": "of a thousand requests"})
    upload_kilobytes: int = field(default=1000, metadata={"help": "of an upload, on the average"})
    downloads: int = field(default=200, metadata={"help": "of a thousand requests"})
    kilobytes: int = field(default=20, metadata={"help": "of an answer, on the average"})
    log_kilobytes: int = field(default=2, metadata={"help": "of a request, on the average"})

    @property
    def edge(self) -> str | None:
        """Front Door's tier, in small letters. Six apps need one host name, so infra/main.bicep gives them Standard for None."""
        tier = "Standard" if self.apps > 1 and self.front_door == "None" else self.front_door
        return None if tier == "None" else tier.lower()


@dataclass(frozen=True)
class Item:
    what: str
    cost: Decimal


class Prices:
    def __init__(self, table: Path = TABLE) -> None:
        self.data: dict[str, Any] = json.loads(table.read_text())
        self.rows = {row.key: row for row in map(Row.of, self.data["rows"])}

    def item(self, key: str, amount: Decimal | int, *, grant: bool = True, count: str = "") -> Item:
        """``amount`` of the row's unit; ``grant`` takes off what is free each month."""
        row = self.rows[key]
        billed = max(ZERO, Decimal(amount) - (row.free if grant else ZERO))
        return Item(f"{row.what}{f': {count}' if count else ''}", billed * row.price)

    def days(self) -> tuple[str, str]:
        """From when to when the prices are: of each row, the day of the newest source that gives its price."""
        of_rows = [max(each["dated"] for each in row["sources"] if each["price"] == row["price"]) for row in self.data["rows"]]
        return min(of_rows), max(of_rows)


def at_rest(prices: Prices, given: Assumptions) -> list[Item]:
    """A month in which nobody comes: what stands, the timers, and the availability test with the requests that it makes."""
    timers = given.timer_runs + given.probe_runs * (given.apps - 1)
    runs = timers + given.web_tests
    what = f"{timers:,} timer runs, {given.web_tests:,} availability tests"
    items = [
        prices.item("flex_gb_second", runs * GB, count=f"{what}, a second each at least"),
        prices.item("flex_executions", Decimal(runs) / 1_000_000, count=what),
        prices.item("table_operations", Decimal(runs * 3) / 10_000, count="three for each of those"),
        prices.item("blob_writes", Decimal(timers) / 10_000, count="the host notes each timer run"),
        prices.item("blob_gb", given.stored_gb, count=f"{given.stored_gb} GB"),
        prices.item("table_gb", given.rows_gb, count=f"{given.rows_gb} GB"),
        prices.item("logs_gb", Decimal(runs * given.log_kilobytes) / 1_000_000, count=f"{given.log_kilobytes} kB for each of those"),
        prices.item("web_test", Decimal(given.web_tests) / 1000, count=f"{given.web_tests:,} runs"),
        prices.item("metric_alert", ALERT_SERIES + (given.edge is not None), count="the rules of modules/alerts.bicep"),
        prices.item("log_alert_5", 1),
        prices.item("log_alert_15", 2, count="two"),
        prices.item("key_vault", Decimal(given.apps * 30 * 4) / 10_000, count="references, read daily"),
    ]
    if given.edge:
        items.append(prices.item(f"front_door_{given.edge}", 1))
        items.append(prices.item(f"front_door_requests_{given.edge}", Decimal(given.web_tests) / 10_000, count="availability tests"))
    if given.always_ready:
        ready = given.always_ready * given.apps
        items.append(prices.item("flex_ready_gb_second", GB * ready * HOURS * 3600, count=f"{ready} instance(s)"))
    if given.private_network:
        names = ["blob", "queue", "table", "vault", *(["models"] if given.models else [])]
        items.append(prices.item("private_endpoint", len(names) * HOURS, count=", ".join(names)))
        items.append(prices.item("dns_zone", len(names), count="one for each of them"))
        items.append(prices.item("nat_gateway", HOURS))
        items.append(prices.item("public_address", HOURS))
    if given.dns_zone:
        items.append(prices.item("dns_zone", 1, count="the public one"))
    return items


def per_million(prices: Prices, given: Assumptions) -> list[Item]:
    """A million requests beyond what is free each month."""
    million = 1_000_000
    # An instance is billed while it is at work, in seconds that its requests share, each begun one whole.
    busy = Decimal(max(1000, given.milliseconds)) / 1000 / given.together
    uploads = Decimal(given.uploads) * 1000
    items = [
        prices.item("flex_gb_second", busy * GB * million, grant=False, count=f"{given.together} at a time"),
        prices.item("flex_executions", 1, grant=False),
        prices.item("table_operations", Decimal(given.table_calls * million) / 10_000, count=f"{given.table_calls} for each request"),
        prices.item("queue_operations", Decimal(given.queue_calls) * 100_000 / 10_000, count=f"{given.queue_calls} for ten requests"),
        prices.item("blob_writes", uploads * 3 / 10_000, count=f"{uploads:,.0f} uploads with two variants"),
        prices.item("blob_reads", Decimal(given.downloads) * 1000 / 10_000, count=f"{given.downloads * 1000:,} downloads"),
        prices.item("event_grid", uploads * 2 / million, grant=False, count=f"{uploads:,.0f} uploads"),
        prices.item("logs_gb", Decimal(given.log_kilobytes), grant=False, count=f"{given.log_kilobytes} kB for each request"),
    ]
    gigabytes = Decimal(given.kilobytes)
    if given.edge is None:
        items.append(prices.item("egress_gb", gigabytes, grant=False, count=f"{given.kilobytes} kB for each answer"))
    else:
        items.append(prices.item(f"front_door_requests_{given.edge}", Decimal(million) / 10_000))
        items.append(prices.item("front_door_gb", gigabytes, count=f"{given.kilobytes} kB for each answer"))
        received = uploads * given.upload_kilobytes / million
        items.append(prices.item("front_door_to_app_gb", received, count=f"{given.upload_kilobytes:,} kB for each upload"))
    return items


def total(items: Sequence[Item]) -> Decimal:
    return sum((item.cost for item in items), ZERO)


def shown(title: str, items: Sequence[Item]) -> str:
    lines = [f"{title}: {total(items):.2f} USD"]
    lines += [f"  {item.cost:9.2f}  {item.what}" for item in items]
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None = None) -> Assumptions:
    parser = argparse.ArgumentParser(prog="infra/costs.py", description=(__doc__ or "").split("\n")[0])
    for each in fields(Assumptions):
        name = "--" + each.name.replace("_", "-")
        if isinstance(each.default, bool):
            parser.add_argument(name, action="store_true", help=each.metadata["help"])
        else:
            choices = ("None", "Standard", "Premium") if each.name == "front_door" else None
            parser.add_argument(
                name, type=type(each.default), default=each.default, choices=choices, help=f"{each.metadata['help']} (default: %(default)s)"
            )
    return Assumptions(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str] | None = None) -> int:
    given, prices = parse(arguments), Prices()
    oldest, newest = prices.days()
    out = [
        shown("A month at rest", at_rest(prices, given)),
        shown("A million requests more", per_million(prices, given)),
        "\n".join(["Not in these sums:", *(f"  {each}" for each in LEFT_OUT)]),
        f"Prices: {TABLE.name}, looked up {prices.data['looked_up']}. "
        f"Each row has its sources, the newest of days from {oldest} to {newest}.",
    ]
    sys.stdout.write("\n\n".join(out) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
