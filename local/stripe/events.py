"""Events as the API shows them; webhooks.py delivers them."""

import fnmatch

from .params import Params
from .store import Object
from .views import page
from .world import World


def retrieve(world: World, params: Params, id: str) -> Object:
    return world.get("event", id, "id", 404)


def listing(world: World, params: Params) -> Object:
    patterns = params.get("types") or ([params["type"]] if "type" in params else ["*"])
    return page(world, "event", params, "/v1/events", lambda each: any(fnmatch.fnmatchcase(each["type"], wanted) for wanted in patterns))
