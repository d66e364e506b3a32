"""Checkout and billing portal sessions: what their pages show and do. The pages themselves are in pages.py."""

from typing import Any
from urllib.parse import urlsplit

from . import catalog, customers, intents, money, setups, subscriptions
from .blanks import blank
from .errors import StripeError, invalid, missing, no_such
from .params import Params, may_have, merge_metadata
from .store import Object
from .views import INCLUDABLE, page
from .world import World, list_object, render

_LIFE = 86400  # seconds, unless `expires_at` says otherwise: 30 minutes to 24 hours
_HOSTED = ("hosted_page", None)


def check_url(params: Params, name: str) -> None:
    if name in params:
        parts = urlsplit(params[name])
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise invalid("Not a valid URL", name, "url_invalid")


def _line(world: World, given: Object, place: int, mode: str) -> Object:
    at = f"line_items[{place}]"
    quantity = given.get("quantity")
    if quantity is None:
        raise invalid(f"Quantity is required. Add `quantity` to `{at}`", f"{at}[quantity]", "parameter_missing")
    if quantity < 1:
        raise invalid("This value must be greater than or equal to 1.", f"{at}[quantity]", "parameter_invalid_integer")
    if "price" in given:
        price = world.get("price", given["price"], f"{at}[price]")
    elif "price_data" in given:
        price = catalog.create_price(world, given["price_data"])
        price["active"] = False
    else:
        raise missing(f"{at}[price]")
    if "price" in given and not price["active"]:
        raise invalid(f"The price specified is inactive: {price['id']}.", f"{at}[price]")
    if mode == "payment" and price["recurring"]:
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.",
            f"{at}[price]",
        )
    if mode == "subscription" and not price["recurring"]:
        raise invalid("The stand-in has recurring prices only in `subscription` mode.", f"{at}[price]")
    product = world.get("product", price["product"])
    total = price["unit_amount"] * quantity
    return blank(
        "item", world.store.new_id("li"), amount_total=total, amount_subtotal=total, amount_discount=0, amount_tax=0,
        currency=price["currency"], description=product["name"], price=render(price), quantity=quantity,
    )  # fmt: skip


def _check_mode(params: Params, mode: str) -> None:
    if mode != "setup" and not params.get("line_items"):
        raise missing("line_items")
    if mode == "setup" and "line_items" in params:
        raise invalid("You can not pass `line_items` in `setup` mode.", "line_items")
    if mode == "setup" and "currency" not in params:
        raise missing("currency")
    for name, its in (("payment_intent_data", "payment"), ("subscription_data", "subscription"), ("setup_intent_data", "setup")):
        if name in params and mode != its:
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", name)
    if params.get("ui_mode") not in _HOSTED:
        raise invalid("The stand-in has hosted pages only: leave `ui_mode` out.", "ui_mode")
    if "success_url" not in params:
        raise missing("success_url")
    if params.get("customer") and params.get("customer_email"):
        raise invalid("You may only specify one of these parameters: customer, customer_email.")


def create(world: World, params: Params) -> Object:
    mode = params.get("mode")
    if mode is None:
        raise missing("mode")
    _check_mode(params, mode)
    may_have(params, "allowed_payment_method_types", "billing_address_collection", "customer_creation", "locale", "submit_type")
    for name in ("success_url", "cancel_url"):
        check_url(params, name)
    customer = world.get("customer", params["customer"], "customer")["id"] if params.get("customer") else None
    lines = [_line(world, given, place, mode) for place, given in enumerate(params.get("line_items", []))]
    if len({line["currency"] for line in lines}) > 1:
        raise invalid("All prices on a Checkout Session must have the same currency.", "line_items")
    currency: Any = lines[0]["currency"] if lines else params.get("currency")
    total = sum(line["amount_total"] for line in lines)
    trial = bool({"trial_period_days", "trial_end"} & set(params.get("subscription_data", {})))
    if lines and mode == "payment":
        money.check_charge(total, currency, "line_items")
    expires = params.get("expires_at", world.now() + _LIFE)
    if not world.now() + 1800 <= expires <= world.now() + _LIFE:
        raise invalid("The `expires_at` timestamp must be between 30 minutes and 24 hours from now.", "expires_at")
    id = world.store.new_id("cs_test", 58)
    creation = {"payment": params.get("customer_creation", "if_required"), "subscription": "always"}.get(mode)
    amount = None if mode == "setup" else 0 if trial else total
    return world.new(
        "checkout.session", "cs", id=id, amount_subtotal=amount, amount_total=amount, mode=mode, currency=currency, customer=customer,
        automatic_tax={"enabled": False, "liability": None, "status": None, "provider": None}, cancel_url=params.get("cancel_url"),
        client_reference_id=params.get("client_reference_id"), customer_email=params.get("customer_email"), custom_fields=[],
        customer_creation=None if customer else creation,
        custom_text={"after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        adaptive_pricing={"enabled": False} if mode == "payment" else None, expires_at=expires,
        metadata=merge_metadata({}, params.get("metadata")),
        payment_method_options={}, payment_method_types=["card"], payment_status="unpaid" if amount else "no_payment_required",
        payment_method_collection="always" if mode == "subscription" else "if_required", phone_number_collection={"enabled": False},
        saved_payment_method_options={
            "allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": None,
        },
        shipping_options=[], status="open", success_url=params["success_url"], ui_mode="hosted_page",
        total_details=None if mode == "setup" else {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        url=f"{world.base_url}/pages/checkout/{id}", _lines=lines,
        _data=params.get(f"{mode}_intent_data", params.get("subscription_data", {})),
    )  # fmt: skip


def retrieve(world: World, params: Params, id: str) -> Object:
    return world.get("checkout.session", id, "session", 404)


def listing(world: World, params: Params) -> Object:
    email = params.get("customer_details", {}).get("email")
    return page(
        world, "checkout.session", params, "/v1/checkout/sessions",
        lambda each: email is None or (each["customer_details"] or {}).get("email") == email,
        ("customer", "payment_intent", "subscription", "status"),
    )  # fmt: skip


def line_items(world: World, params: Params, id: str) -> Object:
    return list_object(f"/v1/checkout/sessions/{id}/line_items", retrieve(world, {}, id)["_lines"])


def _included_lines(world: World, session: Object) -> Any:
    return line_items(world, {}, session["id"])


INCLUDABLE["checkout.session", "line_items"] = _included_lines


def expire(world: World, params: Params, id: str) -> Object:
    session = retrieve(world, {}, id)
    if session["status"] != "open":
        raise invalid(f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.')
    session.update(status="expired", url=None)
    world.emit("checkout.session.expired", session)
    return session


def complete(world: World, session: Object, token: str, email: str | None) -> None:
    """The customer pays with a test card, having authenticated where the card asks. Raises the card's error."""
    if session["status"] != "open":
        raise invalid(f"This Checkout Session is {session['status']}.")
    customer = session["customer"]
    if customer is None and (session["mode"] == "subscription" or session["customer_creation"] == "always"):
        customer = customers.create(world, {"email": email} if email else {})["id"]
    method = customers.make_card(world, token, {"billing_details": {"email": email}} if email else None)
    _MODES[session["mode"]](world, session, method, customer)
    kept = world.get("customer", customer) if customer else {}
    session.update(
        status="complete", url=None, customer=customer,
        customer_details={
            "address": method["billing_details"]["address"], "email": email or kept.get("email"), "name": kept.get("name"), "phone": None,
            "tax_exempt": "none", "tax_ids": [], "business_name": None, "individual_name": None,
        },
    )  # fmt: skip
    if session["payment_status"] == "unpaid":
        session["payment_status"] = "paid"
    world.emit("checkout.session.completed", session)


def _pay(world: World, session: Object, method: Object, customer: str | None) -> None:
    data = session["_data"]
    intent = world.store.get("payment_intent", session.get("_intent", ""))
    if intent is None:  # a declined one is used again
        wanted = ("description", "receipt_email", "setup_future_usage", "metadata", "capture_method")
        given = {name: data[name] for name in wanted if name in data}
        given |= {"amount": session["amount_total"], "currency": session["currency"], "allowed_payment_method_types": ["card"]}
        intent = intents.create(world, {**given, "customer": customer} if customer else given)
        session["_intent"] = intent["id"]
    intent["payment_method"] = method["id"]
    intents.attempt(world, intent, method, authenticated=True)
    session["payment_intent"] = intent["id"]


def _subscribe(world: World, session: Object, method: Object, customer: str | None) -> None:
    assert customer is not None
    customers.attach(world, method, world.get("customer", customer))
    items = [{"price": line["price"]["id"], "quantity": line["quantity"]} for line in session["_lines"]]
    wanted = ("trial_period_days", "trial_end", "metadata", "description", "trial_settings")
    given = {name: session["_data"][name] for name in wanted if name in session["_data"]}
    given |= {"customer": customer, "items": items, "default_payment_method": method["id"], "payment_behavior": "default_incomplete"}
    made = subscriptions.create(world, given)
    invoice = world.get("invoice", made["latest_invoice"])
    if invoice["status"] == "open":
        intent = world.get("payment_intent", invoice["_intent"])
        try:
            intents.attempt(world, intent, method, authenticated=True)
        except StripeError as error:
            error.keep = False  # nobody has subscribed
            raise
    session.update(subscription=made["id"], invoice=invoice["id"])


def _save(world: World, session: Object, method: Object, customer: str | None) -> None:
    intent = setups.make(world, customer, ["card"])
    intent.update(payment_method=method["id"], metadata=merge_metadata({}, session["_data"].get("metadata")))
    world.emit("setup_intent.created", intent)
    setups.finish(world, intent, authenticated=True)
    session["setup_intent"] = intent["id"]


_MODES = {"payment": _pay, "subscription": _subscribe, "setup": _save}


# The billing portal.


def create_portal(world: World, params: Params) -> Object:
    if not params.get("customer"):
        raise missing("customer")
    if "flow_data" in params:
        raise invalid("The stand-in's portal has no flows: leave `flow_data` out.", "flow_data")
    customer = world.get("customer", params["customer"], "customer")
    check_url(params, "return_url")
    if params.get("configuration", "bpc_default") != "bpc_default":
        raise no_such("billing_portal configuration", params["configuration"], "configuration")
    id = world.store.new_id("bps")
    return world.new(
        "billing_portal.session", "bps", id=id, configuration="bpc_default", customer=customer["id"], return_url=params.get("return_url"),
        locale=params.get("locale"), url=f"{world.base_url}/pages/portal/{id}",
    )  # fmt: skip
