"""Setup intents: a card is saved without being charged."""

from . import customers
from .cards import card_of, decline
from .confirming import automatic, must_authenticate, needs_return_url, next_action
from .errors import StripeError, invalid
from .params import Params, may_have, merge_metadata
from .store import Object
from .views import page
from .world import World, render, update_plain

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def _unexpected(intent: Object, verb: str) -> StripeError:
    return invalid(
        f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}.",
        code="setup_intent_unexpected_state",
        setup_intent=render(intent),
    )


def create(world: World, params: Params) -> Object:
    for name in ("return_url",):
        if name in params and not params.get("confirm"):
            raise invalid(f"The parameter `{name}` cannot be passed when creating a SetupIntent unless `confirm` is set to true.", name)
    methods, types = automatic(params)
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
    intent = make(world, params.get("customer"), types, params.get("usage", "off_session"))
    intent["automatic_payment_methods"] = methods
    update_plain(intent, params, ("description",))
    if "payment_method" in params:
        _use(world, intent, params["payment_method"])
    world.emit("setup_intent.created", intent)
    return _run(world, intent, params) if params.get("confirm") else intent


def make(world: World, customer: str | None, types: list[str], usage: str = "off_session") -> Object:
    id = world.store.new_id("seti")
    return world.new(
        "setup_intent", "seti", id=id, client_secret=world.secret(id), customer=customer, payment_method_types=types,
        status="requires_payment_method", usage=usage, metadata=merge_metadata({}, None),
        payment_method_options={"card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}},
    )  # fmt: skip


def _use(world: World, intent: Object, reference: str) -> None:
    method = customers.resolve(world, reference, "payment_method")
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        raise invalid(f"PaymentMethod {method['id']} belongs to another Customer.", "payment_method")
    if method["_used"] and method["customer"] is None:
        raise invalid("This PaymentMethod was used before without a Customer, and may not be used again.", "payment_method")
    intent["payment_method"] = method["id"]
    if intent["status"] == "requires_payment_method":
        intent["status"] = "requires_confirmation"


def retrieve(world: World, params: Params, id: str) -> Object:
    may_have(params, "client_secret")
    return world.get("setup_intent", id, "intent", 404)


def update(world: World, params: Params, id: str) -> Object:
    intent = retrieve(world, {}, id)
    if params.get("customer"):
        intent["customer"] = world.get("customer", params["customer"], "customer")["id"]
    update_plain(intent, params, ("description",))
    if params.get("payment_method"):
        if intent["status"] not in _OPEN:
            raise _unexpected(intent, "update")
        _use(world, intent, params["payment_method"])
    return intent


def confirm(world: World, params: Params, id: str) -> Object:
    intent = retrieve(world, {}, id)
    if intent["status"] not in _OPEN:
        raise _unexpected(intent, "confirm")
    if "payment_method" in params:
        _use(world, intent, params["payment_method"])
    return _run(world, intent, params)


def _run(world: World, intent: Object, params: Params) -> Object:
    if intent["payment_method"] is None:
        raise invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method. Update the SetupIntent with a payment method and "
            "then confirm it again.",
            code="setup_intent_unexpected_state",
            setup_intent=render(intent),
        )
    needs_return_url(intent, params, "SetupIntent")
    finish(world, intent, return_url=params.get("return_url"))
    return intent


def finish(world: World, intent: Object, *, return_url: str | None = None, authenticated: bool = False) -> None:
    """Raises the card's error, which keeps what it has changed."""
    method = world.get("payment_method", intent["payment_method"])
    card = card_of(method)
    intent["next_action"] = None
    if card.authenticate != "never" and must_authenticate(card, method) and not authenticated:
        intent.update(status="requires_action", next_action=next_action(world, intent["id"], return_url))
        return world.emit("setup_intent.requires_action", intent)
    if card.code is not None and not card.attaches:
        error = decline(card.code, card.decline, payment_method=render(method))
        intent.update(status="requires_payment_method", payment_method=None, last_setup_error=dict(error.fields))
        world.emit("setup_intent.setup_failed", intent)
        error.fields["setup_intent"] = render(intent)
        raise error
    if intent["customer"] is not None:
        customers.attach(world, method, world.get("customer", intent["customer"]))
    method["_set_up"] = True
    intent.update(status="succeeded", last_setup_error=None)
    return world.emit("setup_intent.succeeded", intent)


def authenticate(world: World, id: str, ok: bool) -> Object:
    intent = retrieve(world, {}, id)
    if intent["status"] != "requires_action":
        raise _unexpected(intent, "authenticate")
    if ok:
        finish(world, intent, authenticated=True)
    else:
        error = invalid("The provided PaymentMethod has failed authentication.", code="setup_intent_authentication_failure")
        intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_setup_error=error.fields)
        world.emit("setup_intent.setup_failed", intent)
    return intent


def cancel(world: World, params: Params, id: str) -> Object:
    intent = retrieve(world, {}, id)
    if intent["status"] not in _OPEN:
        raise _unexpected(intent, "cancel")
    intent.update(status="canceled", cancellation_reason=params.get("cancellation_reason"), next_action=None)
    world.emit("setup_intent.canceled", intent)
    return intent


def listing(world: World, params: Params) -> Object:
    return page(world, "setup_intent", params, "/v1/setup_intents", filters=("customer", "payment_method"))
