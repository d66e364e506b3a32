"""`/_test/…`: what tests may do to the server that Stripe's users can't. Bodies and answers are JSON.

GET  state, state/KIND        counts, clock and faults; the objects of a kind
POST reset                    a fresh account: everything goes, faults too
POST advance                  {"seconds": n} or {"to": unix}: does all that comes due, in order
POST faults                   {"api": [{"fault": "down|slow|429|500|cut", "count", "path", "method", "seconds", "after"}],
                               "webhooks": {"manual": bool, "drop": n, "duplicate": n, "delay": n, "delay_seconds", "reorder": n,
                               "reorder_seconds", "same_second": n}}; n: how many of the next events suffer it
DELETE faults                 none any more, and automatic delivery
GET  deliveries               every delivery with its status and attempts
POST deliver                  one attempt each: {"ids": deliveries or events, in that order, as often as named}; else all that are pending
POST authenticate/INTENT      {"ok": bool}: what the payer does on the bank's page
POST disputes/DISPUTE         {"status": "won|lost"}: what the bank decides
"""

import json
from typing import Any

from . import catalog, charges, intents, setups, timeline
from .errors import StripeError, invalid, no_such
from .faults import Faults
from .store import Object
from .webhooks import Webhooks
from .world import World, render

_WEBHOOK_FAULTS = frozenset(["duplicate", "drop", "delay", "reorder", "delay_seconds", "reorder_seconds"])


class Control:
    def __init__(self, world: World, webhooks: Webhooks, faults: Faults) -> None:
        self._world = world
        self._webhooks = webhooks
        self._faults = faults

    async def answer(self, method: str, path: str, body: bytes) -> Any:
        """Raises StripeError for what there is not."""
        given = json.loads(body or b"{}")
        name, _, rest = path.removeprefix("/_test/").partition("/")
        self._world.begin(None, None)
        try:
            if (method, name) == ("POST", "deliver"):
                return await self._deliver(given)
            made = getattr(self, f"_{method.lower()}_{name}", None)
            if made is None:
                raise StripeError(404, f"There is no {method} {path}.")
            answer = made(given, rest)
            self._world.store.commit()
        except BaseException:
            self._world.store.rollback()
            raise
        self._webhooks.wake()
        return answer

    def _get_state(self, given: Object, kind: str) -> Any:
        """Counts, or with `/_test/state/KIND` the objects themselves."""
        store = self._world.store
        if kind:
            return [render(each) for each in store.all(kind)]
        kinds = ("customer", "payment_intent", "charge", "refund", "dispute", "subscription", "invoice", "checkout.session", "event")
        return {
            "now": self._world.now(),
            "counts": {each: store.count(each) for each in kinds},
            "webhooks": {"manual": self._webhooks.manual, **self._webhooks.faults},
            "api": [vars(fault) for fault in self._faults.waiting],
        }

    def _post_reset(self, given: Object, _: str) -> Any:
        self._world.store.clear()
        self._delete_faults({}, "")
        catalog.preload(self._world)
        return {"reset": True}

    def _post_advance(self, given: Object, _: str) -> Any:
        now = self._world.now()
        to = given.get("to", now + given.get("seconds", 0))
        if not isinstance(to, int) or to < now:
            raise invalid("Give `seconds`, or `to` as Unix seconds that are not past.", "to")
        return {"steps": timeline.advance(self._world, to), "now": self._world.now()}

    def _post_faults(self, given: Object, _: str) -> Any:
        hooks = dict(given.get("webhooks", {}))
        if "manual" in hooks:
            self._webhooks.manual = bool(hooks.pop("manual"))
        if "same_second" in hooks:
            self._world.frozen_second = (self._world.now(), int(hooks.pop("same_second")))
        if set(hooks) - _WEBHOOK_FAULTS:
            raise invalid(f"Received unknown parameter: webhooks[{sorted(set(hooks) - _WEBHOOK_FAULTS)[0]}]")
        self._webhooks.faults |= hooks
        for fault in given.get("api", []):
            self._faults.add(fault)
        return self._get_state({}, "")

    def _delete_faults(self, given: Object, _: str) -> Any:
        self._faults.waiting.clear()
        self._webhooks.faults.clear()
        self._webhooks.manual = False
        self._world.frozen_second = None
        return {"faults": []}

    def _get_deliveries(self, given: Object, _: str) -> Any:
        return list(self._world.store.all("_delivery"))

    async def _deliver(self, given: Object) -> Any:
        """One attempt each: `ids` of deliveries or of events, in that order and as often as named; else all that are pending."""
        rows = list(self._world.store.all("_delivery"))
        wanted = given.get("ids", [row["id"] for row in rows if row["status"] == "pending"])
        made = []
        for id in wanted:
            row = next((row for row in rows if id in (row["id"], row["event"])), None)
            if row is None:
                raise no_such("delivery", id, "ids")
            made.append({"id": row["id"], "event": row["event"], "type": row["type"], "response": await self._webhooks.deliver(row["id"])})
        return made

    def _post_disputes(self, given: Object, id: str) -> Any:
        return render(charges.close(self._world, id, str(given.get("status"))))

    def _post_authenticate(self, given: Object, id: str) -> Any:
        """What the payer does on the bank's page, `{"ok": false}` for a failure."""
        module: Any = setups if id.startswith("seti_") else intents
        return render(module.authenticate(self._world, id, bool(given.get("ok", True))))
