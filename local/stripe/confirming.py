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


def automatic(params: Params) -> tuple[Object | None, list[str]]:
    """`automatic_payment_methods` and the types: on unless types are named."""
    given = params.get("automatic_payment_methods")
    types = params.get("payment_method_types")
    if given is not None and given.get("enabled") and types is not None:
        raise invalid("You may only specify one of these parameters: automatic_payment_methods, payment_method_types.")
    if types is not None or (given is not None and not given["enabled"]):
        types = types or ["card"]
        for type in types:
            if type != "card":
                raise invalid(f"The payment method type `{type}` is invalid: the stand-in has cards only.", "payment_method_types")
        return None, types
    return {"allow_redirects": (given or {}).get("allow_redirects", "always"), "enabled": True}, ["card", "link"]


def needs_return_url(intent: Object, params: Params, name: str) -> None:
    methods = intent["automatic_payment_methods"]
    if methods is not None and methods["allow_redirects"] == "always" and not params.get("return_url"):
        raise invalid(_NEEDS_RETURN_URL.format(name=name), "return_url")


def must_authenticate(card: Card, method: Object) -> bool:
    return card.authenticate == "always" or (card.authenticate == "setup" and not method["_set_up"])


def next_action(world: World, id: str, return_url: str | None) -> Object:
    url = f"{world.base_url}/pages/authenticate/{id}"
    if return_url is not None:
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
