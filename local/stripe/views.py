"""How objects are shown: expansions, and lists with their filters and cursors."""

from collections.abc import Callable, Iterable
from typing import Any

from .errors import invalid, no_such
from .params import Params
from .store import Object
from .world import PREFIXES, World, list_object, render

_EXPANDABLE_NAMES = (
    "customer latest_charge payment_method payment_intent charge balance_transaction invoice latest_invoice subscription "
    "default_payment_method product setup_intent pending_setup_intent default_price source failure_balance_transaction "
)
_EXPANDABLE = frozenset(_EXPANDABLE_NAMES.split())
_DEPTH = 4

Includable = Callable[[World, Object], Any]
# What is shown only when expanded: by kind and name. Filled by the modules of those kinds.
INCLUDABLE: dict[tuple[str, str], Includable] = {}


def expand(world: World, shown: Object, paths: Iterable[str]) -> Object:
    """Put objects in the place of their ids. Raises StripeError for what can't be expanded."""
    for path in paths:
        names = path.split(".")
        if len(names) > _DEPTH + ("data" in names):
            raise invalid(f"You cannot expand more than {_DEPTH} levels of a property", "expand")
        _expand(world, shown, names, path)
    return shown


def _expand(world: World, node: Any, names: list[str], path: str) -> None:
    if isinstance(node, list):
        for item in node:
            _expand(world, item, names, path)
        return
    if not names or node is None:
        return
    name, rest = names[0], names[1:]
    include = INCLUDABLE.get((str(node.get("object")), name)) if isinstance(node, dict) else None
    if include is not None and name not in node:
        node[name] = include(world, node)
    elif not isinstance(node, dict) or name not in node:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    value = node[name]
    if isinstance(value, str):
        kind = PREFIXES.get(value.split("_")[0])
        found = world.store.peek(kind, value) if kind and name in _EXPANDABLE else None
        if found is None:
            raise invalid(f"This property cannot be expanded ({path}).", "expand")
        node[name] = render(found)
    elif not rest and include is None and name not in _EXPANDABLE:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    _expand(world, node[name], rest, path)


def page(
    world: World, kind: str, params: Params, url: str, wanted: Callable[[Object], bool] = lambda _: True, filters: Iterable[str] = ()
) -> Object:
    """A list, newest first. `filters` are the parameters that must equal the field of their name."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        raise invalid(f"This value must be {bound}.", "limit", "parameter_invalid_integer")
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("You can only specify one of `starting_after` and `ending_before`.", "ending_before")
    equal = [(name, params[name]) for name in filters if name in params]
    in_time = _in_time(params.get("created"))

    def matches(obj: Object) -> bool:
        return not obj.get("deleted") and all(obj[name] == value for name, value in equal) and in_time(obj) and wanted(obj)

    everything = list(world.store.all(kind))
    cursor = after or before
    place = None
    if cursor:
        place = next((index for index, obj in enumerate(everything) if obj["id"] == cursor), None)
        if place is None:
            raise no_such(kind, cursor, "starting_after" if after else "ending_before")
    if before:
        assert place is not None
        found = [obj for obj in everything[place + 1 :] if matches(obj)]
        chosen, more = found[:limit][::-1], len(found) > limit
    else:
        found = [obj for obj in reversed(everything[:place] if place is not None else everything) if matches(obj)]
        chosen, more = found[:limit], len(found) > limit
    return list_object(url, [render(obj) for obj in chosen], more)


def _in_time(created: Any) -> Callable[[Object], bool]:
    if created is None:
        return lambda _: True
    if isinstance(created, int):
        return lambda obj: obj["created"] == created
    least = max(created.get("gte", 0), created.get("gt", -1) + 1)
    most = min(created.get("lte", 1 << 60), created.get("lt", 1 << 60) - ("lt" in created))
    return lambda obj: least <= obj["created"] <= most
