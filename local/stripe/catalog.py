"""Products and prices, and the two that are there from the start."""

import calendar
from datetime import UTC, datetime
from typing import Any

from .errors import invalid, missing
from .money import check_currency
from .params import Params, merge_metadata
from .store import Object
from .views import page
from .world import World, update_plain

_PRODUCT = ("active", "description", "images", "name", "statement_descriptor", "unit_label", "url", "shippable", "tax_code")


def preload(world: World) -> None:
    """What a fresh account has: Basic and Pro, monthly, in dollars."""
    for name, amount in (("basic", 900), ("pro", 2900)):
        id = f"prod_{name}"
        create_product(world, {"id": id, "name": name.capitalize(), "description": f"Lydian {name.capitalize()}, by the month"})
        price = create_price(
            world, {"currency": "usd", "product": id, "unit_amount": amount, "recurring": {"interval": "month"}}, id=f"price_{name}"
        )
        world.get("product", id)["default_price"] = price["id"]
    for each in [*world.store.all("event")]:  # nobody is told of what was there from the start
        world.store.delete("event", each["id"])
    for each in [*world.store.all("_delivery")]:
        world.store.delete("_delivery", each["id"])


def create_product(world: World, params: Params) -> Object:
    if "id" in params and world.store.peek("product", params["id"]):
        raise invalid(f"Product already exists: {params['id']}", "id", "resource_already_exists")
    made = world.new(
        "product", "prod", id=params.get("id"), active=True, images=[], marketing_features=[], type="service", updated=world.now()
    )
    update_plain(made, params, _PRODUCT)
    if "default_price_data" in params:
        data = params["default_price_data"]
        made["default_price"] = create_price(world, {**data, "product": made["id"]})["id"]
    world.emit("product.created", made)
    return made


def retrieve_product(world: World, params: Params, id: str) -> Object:
    return world.get("product", id, "id", 404)


def update_product(world: World, params: Params, id: str) -> Object:
    product = world.get("product", id, "id", 404)
    update_plain(product, params, _PRODUCT)
    if params.get("default_price"):
        product["default_price"] = world.get("price", params["default_price"], "default_price")["id"]
    product["updated"] = world.now()
    world.emit("product.updated", product)
    return product


def list_products(world: World, params: Params) -> Object:
    ids = params.get("ids")
    return page(world, "product", params, "/v1/products", lambda each: ids is None or each["id"] in ids, ("active",))


def create_price(world: World, params: Params, id: str | None = None) -> Object:
    currency = check_currency(params["currency"])
    if "product" in params:
        product = world.get("product", params["product"], "product")
    elif "product_data" in params:
        product = create_product(world, params["product_data"])
    else:
        raise missing("product")
    if "unit_amount" not in params:
        raise invalid("The stand-in has prices with a `unit_amount` only.", "unit_amount", "parameter_missing")
    if params["unit_amount"] < 0:
        raise invalid("This value must be greater than or equal to 0.", "unit_amount", "parameter_invalid_integer")
    recurring: Any = params.get("recurring")
    if recurring is not None:
        recurring = {"interval_count": 1, "meter": None, "trial_period_days": None, "usage_type": "licensed", **recurring}
        most = {"day": 1095, "week": 156, "month": 36, "year": 3}[recurring["interval"]]
        if not 1 <= recurring["interval_count"] <= most:
            raise invalid(f"`interval_count` must be between 1 and {most} here.", "recurring[interval_count]", "parameter_invalid_integer")
    price = world.new(
        "price", "price", id=id, active=params.get("active", True), billing_scheme="per_unit", currency=currency, product=product["id"],
        lookup_key=params.get("lookup_key"), nickname=params.get("nickname"), recurring=recurring, unit_amount=params["unit_amount"],
        tax_behavior=params.get("tax_behavior", "unspecified"), type="recurring" if recurring else "one_time",
        unit_amount_decimal=str(params["unit_amount"]), metadata=merge_metadata({}, params.get("metadata")),
    )  # fmt: skip
    world.emit("price.created", price)
    return price


def retrieve_price(world: World, params: Params, id: str) -> Object:
    return world.get("price", id, "price", 404)


def update_price(world: World, params: Params, id: str) -> Object:
    price = world.get("price", id, "price", 404)
    update_plain(price, params, ("active", "lookup_key", "nickname", "tax_behavior"))
    world.emit("price.updated", price)
    return price


def list_prices(world: World, params: Params) -> Object:
    keys = params.get("lookup_keys")
    interval = params.get("recurring", {}).get("interval")

    def wanted(price: Object) -> bool:
        return (keys is None or price["lookup_key"] in keys) and (
            interval is None or (price["recurring"] is not None and price["recurring"]["interval"] == interval)
        )

    return page(world, "price", params, "/v1/prices", wanted, ("active", "currency", "product", "type"))


def period_end(start: int, recurring: Object, anchor: int) -> int:
    """The end of the period that begins at `start`. Months keep the anchor's day where they have it, else end on their last."""
    count = recurring["interval_count"]
    if recurring["interval"] in ("day", "week"):
        return int(start + 86400 * count * (7 if recurring["interval"] == "week" else 1))
    months = count * (12 if recurring["interval"] == "year" else 1)
    begin, wanted = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(anchor, UTC)
    year, month = divmod(begin.year * 12 + begin.month - 1 + months, 12)
    day = min(wanted.day, calendar.monthrange(year, month + 1)[1])
    return int(begin.replace(year=year, month=month + 1, day=day).timestamp())
