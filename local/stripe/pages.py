"""The pages where a person pays, authenticates or manages a subscription, in place of Stripe's. Plain HTML, no script."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from . import changes, checkout, customers, intents, invoices, setups, timeline
from .cards import CARDS
from .errors import StripeError, no_such
from .money import show
from .world import World

_CHOICES = (
    "pm_card_visa", "pm_card_mastercard", "pm_card_authenticationRequired", "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedExpiredCard", "pm_card_chargeCustomerFail",
    "pm_card_createDispute",
)  # fmt: skip

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; }
fieldset { border: 1px solid; border-radius: .5rem; margin: 1rem 0; }
label { display: block; padding: .3rem 0; }
fieldset { padding: .3rem .6rem; } fieldset label { display: flex; gap: .5rem; align-items: baseline; }
fieldset input { margin: 0; flex: none; } .number { margin-left: auto; white-space: nowrap; }
input[type=email] { display: block; font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; }
button { font: inherit; padding: .5rem 1rem; margin: .3rem .5rem .3rem 0; }
.error { border-left: .3rem solid #c00; padding-left: .8rem; }
.note { opacity: .8; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .5rem .2rem 0; }
"""


@dataclass(frozen=True)
class Page:
    """A body with its status, or a redirect."""

    status: int
    body: str = ""
    location: str | None = None


Form = dict[str, str]


def answer(world: World, method: str, path: str, body: bytes) -> Page:
    """Carry out what a page asks, in one transaction."""
    name, _, id = path.removeprefix("/pages/").partition("/")
    handler = _PAGES.get(name)
    if handler is None or not id:
        return _error(404, "There is no such page.")
    form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()} if method == "POST" else None
    world.begin(None, None)
    timeline.catch_up(world)
    try:
        page = handler(world, id, form)
    except StripeError as error:
        if not error.keep:
            world.store.rollback()
        page = _error(error.status, str(error))
    except BaseException:
        world.store.rollback()
        raise
    world.store.commit()
    return page


def _html(title: str, *parts: str, status: int = 200) -> Page:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    head += '<link rel="stylesheet" href="/pages/style.css">'
    note = '<p class="note">This is Lydian\'s stand-in for Stripe: nothing here costs money.</p>'
    return Page(
        status,
        f'<!doctype html><html lang="en"><head>{head}</head><body><main>'
        f"<h1>{html.escape(title)}</h1>{''.join(parts)}{note}</main></body></html>",
    )


def _error(status: int, message: str) -> Page:
    return _html("This can't be done", _alert(message), status=status)


def _alert(message: str | None) -> str:
    return f'<p class="error" role="alert">{html.escape(message)}</p>' if message else ""


def _form(*parts: str) -> str:
    return f'<form method="post">{"".join(parts)}</form>'


def _button(text: str, **fields: str) -> str:
    hidden = "".join(f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items())
    return _form(hidden, f"<button>{html.escape(text)}</button>")


def _cards(chosen: str = _CHOICES[0]) -> str:
    rows = [
        f'<label><input type="radio" name="card" value="{name}"{" checked" if name == chosen else ""}> '
        f'<span>{CARDS[name].label}</span> <span class="number">•••• {CARDS[name].last4}</span></label>'
        for name in _CHOICES
    ]
    return f"<fieldset><legend>Test card</legend>{''.join(rows)}</fieldset>"


def _link(url: str | None, text: str) -> str:
    return f'<p><a href="{html.escape(url)}">{html.escape(text)}</a></p>' if url else ""


def _checkout(world: World, id: str, form: Form | None) -> Page:
    session = checkout.retrieve(world, {}, id)
    if session["status"] != "open":
        return _error(410, f"This checkout is {session['status']}.")
    problem = None
    if form is not None:
        if form.get("card") not in CARDS:
            problem = "Choose a card."
        elif CARDS[form["card"]].authenticate != "never" and form.get("authenticated") != "yes":
            if form.get("authenticated") == "no":
                problem = "The card's authentication has failed. Try again or choose another card."
            else:
                keep = {"card": form["card"], "email": form.get("email", "")}
                return _html(
                    "Authenticate the payment", "<p>The bank asks whether it is you who pays.</p>",
                    _button("Complete authentication", **keep, authenticated="yes"),
                    _button("Fail authentication", **keep, authenticated="no"),
                )  # fmt: skip
        else:
            try:
                checkout.complete(world, session, form["card"], form.get("email") or session["customer_email"])
                return Page(303, location=session["success_url"].replace("{CHECKOUT_SESSION_ID}", id))
            except StripeError as error:
                if error.status != 402:
                    raise
                if not error.keep:
                    world.store.rollback()
                problem = str(error)
    lines = "".join(
        f"<tr><td>{html.escape(line['description'])} × {line['quantity']}</td><td>{show(line['amount_total'], line['currency'])}</td></tr>"
        for line in session["_lines"]
    )
    verb = {"payment": "Pay", "subscription": "Subscribe", "setup": "Save card"}[session["mode"]]
    total = show(session["amount_total"], session["currency"]) if session["amount_total"] else ""
    email = ""
    if session["customer"] is None:
        value = html.escape(session["customer_email"] or "")
        email = f'<label>Email<input type="email" name="email" autocomplete="email" required value="{value}"></label>'
    table = f"<table><tr><th>What</th><th>Price</th></tr>{lines}</table>" if lines else ""
    return _html(
        "Checkout", _alert(problem), table, _form(email, _cards((form or {}).get("card", _CHOICES[0])), f"<button>{verb} {total}</button>"),
        _link(session["cancel_url"], "Cancel and go back"), status=402 if problem else 200,
    )  # fmt: skip


def _with_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query, keep_blank_values=True), *fields.items()])))


def _authenticate(world: World, id: str, form: Form | None) -> Page:
    name = "setup_intent" if id.startswith("seti_") else "payment_intent"
    module: Any = setups if name == "setup_intent" else intents
    intent = module.retrieve(world, {}, id)
    if intent["status"] != "requires_action":
        return _error(410, "This payment asks for no authentication any more.")
    if form is None:
        amount = f" of {show(intent['amount'], intent['currency'])}" if name == "payment_intent" else ""
        text = f"<p>The bank asks whether it is you who makes this payment{amount}.</p>"
        return _html(
            "Authenticate the payment", text, _button("Complete authentication", ok="yes"), _button("Fail authentication", ok="no")
        )
    back = intent["next_action"].get("redirect_to_url", {}).get("return_url")
    module.authenticate(world, id, form.get("ok") == "yes")
    if back is None:
        return _html("Thank you", f"<p>The payment's status is <strong>{intent['status']}</strong>. You may close this page.</p>")
    status = "succeeded" if intent["status"] in ("succeeded", "requires_capture") else "failed"
    return Page(303, location=_with_query(back, **{name: id, f"{name}_client_secret": intent["client_secret"], "redirect_status": status}))


def _portal(world: World, id: str, form: Form | None) -> Page:
    session = world.get("billing_portal.session", id, "session", 404)
    owner = session["customer"]
    if form is not None:
        _portal_action(world, owner, form)
        return Page(303, location=f"/pages/portal/{id}")
    parts = ["<h2>Subscriptions</h2>"]
    for sub in world.store.all("subscription"):
        if sub["customer"] != owner or sub["ended_at"]:
            continue
        names = ", ".join(world.get("product", item["price"]["product"])["name"] for item in sub["items"]["data"])
        ends = " It ends with this period." if sub["cancel_at_period_end"] else ""
        verb, action = ("Keep the subscription", "keep") if ends else ("Cancel at the end of the period", "cancel")
        parts += [f"<p>{html.escape(names)}: {sub['status']}.{ends}</p>", _button(verb, action=action, id=sub["id"])]
    default = world.get("customer", owner)["invoice_settings"]["default_payment_method"]
    parts.append("<h2>Cards</h2>")
    for method in world.store.all("payment_method"):
        if method["customer"] == owner:
            mark = " (default)" if method["id"] == default else ""
            parts += [
                f"<p>{method['card']['brand']} •••• {method['card']['last4']}{mark}</p>",
                _button("Remove", action="remove", id=method["id"]),
            ]
    parts.append(_form('<input type="hidden" name="action" value="add">', _cards(), "<button>Add as default card</button>"))
    parts.append("<h2>Invoices</h2><ul>")
    for invoice in world.store.all("invoice"):
        if invoice["customer"] == owner:
            parts.append(f"<li>{invoice['number'] or 'Draft'}: {show(invoice['total'], invoice['currency'])}, {invoice['status']}</li>")
    return _html("Your billing", *parts, "</ul>", _link(session["return_url"], "Go back"))


def _portal_action(world: World, owner: str, form: Form) -> None:
    action, id = form.get("action"), form.get("id", "")
    kind = "payment_method" if action == "remove" else "subscription"
    if action == "add":
        if form.get("card") not in CARDS:
            raise no_such("payment_method", form.get("card", ""), "card")
        method = customers.make_card(world, form["card"])
        customers.attach(world, method, world.get("customer", owner))
        customers.update(world, {"invoice_settings": {"default_payment_method": method["id"]}}, owner)
        return
    if world.get(kind, id)["customer"] != owner:
        raise no_such(kind, id, "id")
    if action == "remove":
        customers.detach_method(world, {}, id)
    else:
        changes.update(world, {"cancel_at_period_end": action == "cancel"}, id)


def _invoice(world: World, id: str, form: Form | None) -> Page:
    invoice = invoices.retrieve(world, {}, id.partition("?")[0])
    problem = None
    if form is not None:
        method = customers.resolve(world, form.get("card", ""), "card")
        customers.attach(world, method, world.get("customer", invoice["customer"]))
        try:
            invoices.pay(world, {"payment_method": method["id"]}, id)
        except StripeError as error:
            problem = str(error)
        intent = world.get("payment_intent", invoice["_intent"])
        if intent["status"] == "requires_action":
            return Page(303, location=f"/pages/authenticate/{intent['id']}")
    rows = "".join(
        f"<li>{html.escape(line['description'])}: {show(line['amount'], line['currency'])}</li>" for line in invoice["lines"]["data"]
    )
    pay = _form(_cards(), f"<button>Pay {show(invoice['amount_due'], invoice['currency'])}</button>") if invoice["status"] == "open" else ""
    return _html(f"Invoice {invoice['number'] or ''}", _alert(problem), f"<p>It is {invoice['status']}.</p><ul>{rows}</ul>", pay)


_PAGES: dict[str, Callable[[World, str, Form | None], Page]] = {
    "checkout": _checkout, "authenticate": _authenticate, "portal": _portal, "invoice": _invoice,
}  # fmt: skip
