"""What payment intents and setup intents share: automatic payment methods and authentication."""

from .cards import Card
from .errors import invalid
from .params import Params
from .store import Object
from .world import World

_NEEDS_RETURN_URL = (
    "This {name} is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect "
    "your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set "
    "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup "
    "Intents and Payment Intents."
)

_CHOOSERS = ("automatic_payment_methods", "allowed_payment_method_types", "excluded_payment_method_types")


def automatic(params: Params) -> tuple[Object | None, list[str]]:
    """`automatic_payment_methods`, on unless types are named, and the types that result. Types that don't fit are dropped silently."""
    given, allowed, excluded = (params.get(name) for name in _CHOOSERS)
    named = [name for name in _CHOOSERS if name in params]
    if allowed is not None and len(named) > 1:
        raise invalid(f"You may only specify one of these parameters: {', '.join(named)}.")
    types = [type for type in ("card", "link") if type not in (excluded or ())]
    if allowed is not None:
        types = [type for type in types if type in allowed]
    if "card" not in types:
        raise invalid("No valid payment method types for this intent: the stand-in has cards only.", named[0])
    if allowed is not None or (given is not None and not given["enabled"]):
        return None, types if allowed is not None else ["card"]
    return {"allow_redirects": (given or {}).get("allow_redirects", "always"), "enabled": True}, types


def needs_return_url(intent: Object, params: Params, name: str) -> None:
    """https://docs.stripe.com/changelog/2023-08-16/automatic-payment-methods"""
    methods = intent["automatic_payment_methods"]
    if methods is not None and params.get("error_on_requires_action"):
        raise invalid("You can't use `error_on_requires_action` with automatic payment methods.", "error_on_requires_action")
    given = params.get("return_url") or params.get("off_session")
    if methods is not None and methods["allow_redirects"] == "always" and not given:
        raise invalid(_NEEDS_RETURN_URL.format(name=name), "return_url")


def must_authenticate(card: Card, method: Object) -> bool:
    return card.authenticate == "always" or (card.authenticate == "setup" and not method["_set_up"])


def next_action(world: World, id: str, return_url: str | None) -> Object:
    url = f"{world.base_url}/pages/authenticate/{id}"
    if return_url is not None:
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
