"""Customers and their saved cards."""

import re

from .cards import CARDS, card_of, decline
from .errors import StripeError, invalid, no_such
from .params import Params, merge_metadata
from .store import Object
from .views import page
from .world import World, update_plain

_PLAIN = ("address", "description", "name", "phone", "preferred_locales", "shipping", "tax_exempt")


def _email(params: Params) -> None:
    email = params.get("email")
    if email and (not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", email) or len(email) > 512):
        raise invalid(f"Invalid email address: {email}", "email", "email_invalid")


def create(world: World, params: Params) -> Object:
    _email(params)
    made = world.new(
        "customer", "cus", balance=params.get("balance", 0), delinquent=False, tax_exempt="none", next_invoice_sequence=1,
        preferred_locales=[], invoice_prefix=world.store.new_id("x", 8)[2:].upper(), email=params.get("email") or None,
        invoice_settings={"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
    )  # fmt: skip
    update_plain(made, params, _PLAIN)
    world.emit("customer.created", made)
    used: dict[str, str] = {}
    if "payment_method" in params:
        method = resolve(world, params["payment_method"], "payment_method")
        used[params["payment_method"]] = method["id"]
        attach(world, method, made)
    _default(world, made, params, used)
    return made


def retrieve(world: World, params: Params, id: str) -> Object:
    return world.get("customer", id, "id", 404)


def alive(world: World, id: str) -> Object:
    found = retrieve(world, {}, id)
    if found.get("deleted"):
        raise no_such("customer", id, "id", 404)
    return found


def update(world: World, params: Params, id: str) -> Object:
    customer = alive(world, id)
    _email(params)
    if "email" in params:
        customer["email"] = params["email"] or None
    update_plain(customer, params, (*_PLAIN, "balance"))
    _default(world, customer, params, {})
    world.emit("customer.updated", customer)
    return customer


def _default(world: World, customer: Object, params: Params, used: dict[str, str]) -> None:
    wanted = params.get("invoice_settings", {}).get("default_payment_method")
    if wanted is not None:
        method = used.get(wanted, wanted)
        if method:
            attached(world, method, customer["id"], "invoice_settings[default_payment_method]")
        customer["invoice_settings"]["default_payment_method"] = method or None


def delete(world: World, params: Params, id: str) -> Object:
    customer = alive(world, id)
    from .subscriptions import end

    for subscription in [each for each in world.store.all("subscription") if each["customer"] == id and each["ended_at"] is None]:
        end(world, world.get("subscription", subscription["id"]), "cancellation_requested")
    for method in [each for each in world.store.all("payment_method") if each["customer"] == id]:
        _detach(world.get("payment_method", method["id"]))
    world.emit("customer.deleted", customer)
    gone = {"id": id, "object": "customer", "deleted": True}
    customer.clear()
    customer.update(gone, _deleted_at=world.now())
    return customer


def listing(world: World, params: Params) -> Object:
    return page(world, "customer", params, "/v1/customers", filters=("email",))


# Payment methods.


def resolve(world: World, reference: str, param: str) -> Object:
    """The payment method of that id, or a new one for a test token."""
    if reference in CARDS:
        return make_card(world, reference)
    return world.get("payment_method", reference, param)


def make_card(world: World, token: str, params: Params | None = None) -> Object:
    given = params or {}
    card = CARDS[token]
    address = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
    billing: Object = {"address": address, "email": None, "name": None, "phone": None, "tax_id": None}
    for name, value in given.get("billing_details", {}).items():
        billing[name] = {**address, **value} if isinstance(value, dict) else value or None
    shown = {
        "brand": card.brand, "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US", "display_brand": card.brand, "exp_month": 12, "exp_year": 2035, "fingerprint": f"stand{card.last4}Ffp",
        "funding": "credit", "generated_from": None, "last4": card.last4, "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated", "three_d_secure_usage": {"supported": True}, "wallet": None,
    }  # fmt: skip
    return world.new(
        "payment_method", "pm", type="card", card=shown, billing_details=billing,
        allow_redisplay=given.get("allow_redisplay", "unspecified"),
        metadata=merge_metadata({}, given.get("metadata")), _token=token, _set_up=False, _used=False,
    )  # fmt: skip


def create_method(world: World, params: Params) -> Object:
    if params.get("type") != "card":
        raise invalid("The stand-in has cards only: give `type` the value card.", "type")
    card = params.get("card", {})
    token = card.get("token", "").replace("tok_", "pm_card_", 1)
    if "number" in card:
        raise StripeError(
            402,
            "Sending credit card numbers directly to the Stripe API is generally unsafe. We suggest you use test tokens that map to the "
            "test card you are using, see https://stripe.com/docs/testing.",
            type="card_error",
        )
    if token not in CARDS:
        raise no_such("token", card.get("token", ""), "card[token]")
    return make_card(world, token, params)


def retrieve_method(world: World, params: Params, id: str) -> Object:
    return resolve(world, id, "payment_method") if id in CARDS else world.get("payment_method", id, "payment_method", 404)


def attach_method(world: World, params: Params, id: str) -> Object:
    if not params.get("customer"):
        raise invalid("You must provide a `customer` to attach a PaymentMethod.", "customer", "parameter_missing")
    customer = world.get("customer", params["customer"], "customer")
    method = resolve(world, id, "payment_method") if id in CARDS else world.get("payment_method", id, "payment_method", 404)
    attach(world, method, customer)
    return method


def attach(world: World, method: Object, customer: Object) -> None:
    if method["customer"] == customer["id"]:
        return
    if method["customer"] is not None:
        raise invalid("The payment method you provided has already been attached to a customer.")
    if method["_used"]:
        raise invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and may not be "
            "used again."
        )
    card = card_of(method)
    if card.code and not card.attaches:
        raise decline(card.code, card.decline, keep=False)
    method["customer"] = customer["id"]
    world.emit("payment_method.attached", method)


def attached(world: World, id: str, customer: str, param: str) -> Object:
    """The customer's own payment method. Raises StripeError for any other."""
    found = world.store.get("payment_method", id)
    if found is None:
        raise no_such("payment_method", id, param)
    if found["customer"] != customer:
        raise invalid(
            f"The customer does not have a payment method with the ID {id}. The payment method must be attached to the customer.",
            param,
            "resource_missing",
        )
    return found


def _detach(method: Object) -> None:
    method.update(customer=None, _used=True)


def detach_method(world: World, params: Params, id: str) -> Object:
    method = world.get("payment_method", id, "payment_method", 404)
    if method["customer"] is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = world.get("customer", method["customer"])
    _detach(method)
    world.emit("payment_method.detached", method)
    if customer["invoice_settings"]["default_payment_method"] == id:
        customer["invoice_settings"]["default_payment_method"] = None
        world.emit("customer.updated", customer)
    for subscription in [each for each in world.store.all("subscription") if each["default_payment_method"] == id]:
        world.get("subscription", subscription["id"])["default_payment_method"] = None
    return method


def update_method(world: World, params: Params, id: str) -> Object:
    method = world.get("payment_method", id, "payment_method", 404)
    if method["customer"] is None:
        raise invalid("You must save this PaymentMethod to a customer before you can update it.")
    update_plain(method, params, ("allow_redisplay",))
    world.emit("payment_method.updated", method)
    return method


def list_methods(world: World, params: Params, customer: str | None = None) -> Object:
    url = "/v1/payment_methods"
    if customer is not None:
        alive(world, customer)
        params["customer"] = customer
        url = f"/v1/customers/{customer}/payment_methods"
    world.check("customer", params, "customer")
    return page(world, "payment_method", params, url, lambda each: each["customer"] is not None, ("customer", "type"))


def method_of_customer(world: World, params: Params, customer: str, id: str) -> Object:
    alive(world, customer)
    found = world.get("payment_method", id, "payment_method", 404)
    if found["customer"] != customer:
        raise no_such("payment_method", id, "payment_method", 404)
    return found
