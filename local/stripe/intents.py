"""Payment intents: https://docs.stripe.com/payments/paymentintents/lifecycle."""

from collections.abc import Callable

from . import charges, customers, money
from .cards import card_of, decline
from .confirming import automatic, must_authenticate, needs_return_url, next_action
from .errors import StripeError, invalid
from .params import Params
from .store import Object
from .views import page
from .world import World, render, update_plain

_PLAIN = ("description", "receipt_email", "shipping", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_REFERENCES_USED_ONCE = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a connected account "
    "without Customer attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you "
    "must attach it to a Customer first."
)

# Called when an intent has been paid or has failed: invoices and checkout sessions follow their intents.
followers: list[Callable[[World, Object], None]] = []


def unexpected(intent: Object, message: str) -> StripeError:
    return invalid(message, code="payment_intent_unexpected_state", payment_intent=render(intent))


def create(world: World, params: Params) -> Object:
    currency = money.check_currency(params["currency"])
    money.check_charge(params["amount"], currency)
    for name in ("return_url", "off_session", "error_on_requires_action"):
        if name in params and not params.get("confirm"):
            raise invalid(f"The parameter `{name}` cannot be passed when creating a PaymentIntent unless `confirm` is set to true.", name)
    methods, types = automatic(params)
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
    id = world.store.new_id("pi")
    intent = world.new(
        "payment_intent", "pi", id=id, amount=params["amount"], currency=currency, amount_capturable=0, amount_received=0,
        amount_details={"tip": {}}, automatic_payment_methods=methods, payment_method_types=types, client_secret=world.secret(id),
        capture_method=params.get("capture_method", "automatic_async"), confirmation_method=params.get("confirmation_method", "automatic"),
        customer=params.get("customer"), setup_future_usage=params.get("setup_future_usage"), status="requires_payment_method",
        payment_method_options={"card": {
            "installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}},
    )  # fmt: skip
    update_plain(intent, params, _PLAIN)
    if "payment_method" in params:
        use_method(world, intent, params["payment_method"])
    world.emit("payment_intent.created", intent)
    return run(world, intent, params) if params.get("confirm") else intent


def use_method(world: World, intent: Object, reference: str) -> Object:
    """Set the payment method. Raises StripeError for another customer's, and for one that has been used up."""
    method = customers.resolve(world, reference, "payment_method")
    if method["customer"] is None and method["_used"]:
        raise invalid(_REFERENCES_USED_ONCE, "payment_method")
    if method["customer"] is not None and intent["customer"] is None:
        raise invalid(
            f"PaymentMethod {method['id']} belongs to the Customer {method['customer']}. Please include the Customer in the `customer` "
            "parameter on the request.",
            "payment_method",
        )
    if method["customer"] is not None:
        customers.attached(world, method["id"], intent["customer"], "payment_method")
    intent["payment_method"] = method["id"]
    if intent["status"] == "requires_payment_method":
        intent["status"] = "requires_confirmation"
    return method


def retrieve(world: World, params: Params, id: str) -> Object:
    intent = world.get("payment_intent", id, "intent", 404)
    if params.get("client_secret", intent["client_secret"]) != intent["client_secret"]:
        raise invalid("The client_secret provided does not match any associated PaymentIntent on this account.", "client_secret")
    return intent


def update(world: World, params: Params, id: str) -> Object:
    intent = retrieve(world, {}, id)
    for name in ("amount", "currency", "customer", "payment_method", "setup_future_usage"):
        if name in params and intent["status"] not in _OPEN:
            raise unexpected(
                intent,
                f"This PaymentIntent's {name} could not be updated because it has a status of {intent['status']}. You may only update the "
                f"{name} of a PaymentIntent with one of the following statuses: {', '.join(_OPEN)}.",
            )
    if "currency" in params:
        intent["currency"] = money.check_currency(params["currency"])
    if "amount" in params or "currency" in params:
        intent["amount"] = params.get("amount", intent["amount"])
        money.check_charge(intent["amount"], intent["currency"])
    if params.get("customer"):
        world.get("customer", params["customer"], "customer")
        intent["customer"] = params["customer"]
    update_plain(intent, params, (*_PLAIN, "setup_future_usage"))
    if params.get("payment_method"):
        use_method(world, intent, params["payment_method"])
    return intent


def confirm(world: World, params: Params, id: str) -> Object:
    intent = retrieve(world, {}, id)
    status = intent["status"]
    if status == "succeeded":
        raise unexpected(intent, "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.")
    if status not in _OPEN:
        raise unexpected(
            intent,
            f"You cannot confirm this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one of the following "
            "statuses may be confirmed: requires_confirmation, requires_action.",
        )
    update_plain(intent, params, ("receipt_email", "setup_future_usage", "shipping"))
    if "payment_method" in params:
        use_method(world, intent, params["payment_method"])
    return run(world, intent, params)


def run(world: World, intent: Object, params: Params) -> Object:
    """Confirm it."""
    if intent["payment_method"] is None:
        raise unexpected(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a "
            "payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
        )
    needs_return_url(intent, params, "PaymentIntent")
    method = world.get("payment_method", intent["payment_method"], "payment_method")
    attempt(
        world, intent, method, off_session=bool(params.get("off_session")), return_url=params.get("return_url"),
        fail_on_action=bool(params.get("error_on_requires_action")),
    )  # fmt: skip
    return intent


def attempt(
    world: World, intent: Object, method: Object, *, off_session: bool = False, return_url: str | None = None,
    fail_on_action: bool = False, authenticated: bool = False,
) -> None:  # fmt: skip
    """Try to pay. Raises the card's error, which keeps what it has changed: the intent waits for another payment method."""
    card = card_of(method)
    intent["next_action"] = None
    if must_authenticate(card, method) and not authenticated:
        if off_session or fail_on_action:
            fail(world, intent, method, decline("authentication_required", "authentication_required"))
        intent.update(status="requires_action", next_action=next_action(world, intent["id"], return_url), last_payment_error=None)
        return world.emit("payment_intent.requires_action", intent)
    if card.code is not None:
        fail(world, intent, method, decline(card.code, card.decline))
    captured = intent["capture_method"] != "manual"
    charge = charges.make(world, intent, method, captured=captured)
    intent.update(latest_charge=charge["id"], last_payment_error=None)
    _keep_method(world, intent, method)
    world.emit("charge.succeeded", charge)
    if captured:
        intent.update(status="succeeded", amount_received=intent["amount"])
        world.emit("payment_intent.succeeded", intent)
    else:
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        world.emit("payment_intent.amount_capturable_updated", intent)
    if card.dispute is not None and captured:
        charges.dispute(world, charge, card.dispute)
    return _tell(world, intent)


def _keep_method(world: World, intent: Object, method: Object) -> None:
    """One use for a payment method that belongs to nobody; `setup_future_usage` saves it."""
    if intent["setup_future_usage"]:
        method["_set_up"] = True
        if method["customer"] is None and intent["customer"] is not None:
            customers.attach(world, method, world.get("customer", intent["customer"]))
    if method["customer"] is None:
        method["_used"] = True


def fail(world: World, intent: Object, method: Object, error: StripeError) -> None:
    """Record the failed attempt, and raise its error."""
    charge = charges.make(world, intent, method, captured=False, failure=error)
    if method["customer"] is None:
        method["_used"] = True
    error.fields["charge"] = charge["id"]
    intent.update(
        status="requires_payment_method", payment_method=None, latest_charge=charge["id"], next_action=None,
        last_payment_error={**error.fields, "payment_method": render(method)},
    )  # fmt: skip
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)
    error.fields |= {"payment_intent": render(intent), "payment_method": render(method)}
    _tell(world, intent)
    raise error


def _tell(world: World, intent: Object) -> None:
    for follower in followers:
        follower(world, intent)


def authenticate(world: World, id: str, ok: bool) -> Object:
    """What the payer does on the bank's page. A failed authentication is no error of this request."""
    intent = retrieve(world, {}, id)
    if intent["status"] != "requires_action":
        raise unexpected(intent, f"This PaymentIntent asks for no authentication: its status is {intent['status']}.")
    method = world.get("payment_method", intent["payment_method"])
    try:
        if not ok:
            message = (
                "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to "
                "attempt to fulfill this PaymentIntent again."
            )
            code = "payment_intent_authentication_failure"
            intent.update(
                status="requires_payment_method", payment_method=None, next_action=None,
                last_payment_error={"type": "invalid_request_error", "code": code, "message": message, "payment_method": render(method)},
            )  # fmt: skip
            world.emit("payment_intent.payment_failed", intent)
            _tell(world, intent)
        else:
            attempt(world, intent, method, authenticated=True)
    except StripeError as error:
        if not error.keep:
            raise
    return intent


def cancel(world: World, params: Params, id: str) -> Object:
    intent = retrieve(world, {}, id)
    allowed = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
    if intent["status"] not in allowed:
        raise unexpected(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent with one of the "
            f"following statuses may be canceled: {', '.join(allowed)}.",
        )
    if intent.get("_invoice"):
        raise unexpected(intent, "You cannot cancel this PaymentIntent because it was created by an Invoice. Void the Invoice instead.")
    void(world, intent, params.get("cancellation_reason"))
    return intent


def void(world: World, intent: Object, reason: str | None) -> None:
    if intent["status"] == "requires_capture":
        charge = world.get("charge", intent["latest_charge"])
        charge.update(refunded=True, amount_refunded=charge["amount"])
        world.emit("charge.refunded", charge)
    intent.update(status="canceled", canceled_at=world.now(), cancellation_reason=reason, amount_capturable=0, next_action=None)
    world.emit("payment_intent.canceled", intent)


def capture(world: World, params: Params, id: str) -> Object:
    intent = retrieve(world, {}, id)
    if intent["status"] != "requires_capture":
        raise unexpected(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a PaymentIntent with one of "
            "the following statuses may be captured: requires_capture.",
        )
    capturable: int = intent["amount_capturable"]
    amount = int(params.get("amount_to_capture", capturable))
    if amount < 1 or amount > capturable:
        code = "amount_too_large" if amount > 0 else "amount_too_small"
        most = money.show(capturable, intent["currency"])
        raise invalid(f"The amount to capture must be between 1 and the amount capturable ({most}).", "amount_to_capture", code)
    charges.capture(world, world.get("charge", intent["latest_charge"]), amount)
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    world.emit("payment_intent.succeeded", intent)
    _tell(world, intent)
    return intent


def listing(world: World, params: Params) -> Object:
    world.check("customer", params, "customer")
    return page(world, "payment_intent", params, "/v1/payment_intents", filters=("customer",))
