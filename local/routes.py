"""Azure's way of matching a request to an HTTP function.

The host orders functions by name, without regard to case, and takes the first whose template and methods fit: a literal
segment has no precedence over a parameter (azure-functions-host issues 9876 and 3153). Matching ignores case and one
trailing slash. Here both cost little: what a purely literal path matches is known before the first request, and all
other templates of a method are one regular expression whose alternatives stand in that same order.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from urllib.parse import unquote

from .worker import Function, ParamsOf

T = TypeVar("T")

_PLACEHOLDER = re.compile(r"\{(\*{0,2})(\w+)(\?)?\}")
_ANY_METHOD = ""


@dataclass(frozen=True)
class Route:
    """One HTTP function's template and methods (none: all)."""

    function: Function
    template: str
    methods: tuple[str, ...]

    @property
    def literal(self) -> bool:
        return "{" not in self.template

    def allows(self, method: str) -> bool:
        return not self.methods or method in self.methods


def read_routes(functions: Iterable[Function], prefix: str, resolve: Callable[[str], str]) -> list[Route]:
    """The routes in the host's order. Raises ValueError for a template with a constraint: nothing here would check it."""
    routes = []
    for function in sorted(functions, key=lambda f: f.name.lower()):
        # An absent or empty route is the function's own name: the host offers no way to ask for the bare prefix.
        own = resolve(str(function.trigger.get("route") or function.name)).strip("/")
        template = "/".join(part for part in (prefix, own) if part)
        compile_template(template)
        methods = tuple(str(method).upper() for method in function.trigger.get("methods") or ())
        routes.append(Route(function, template, methods))
    return routes


def compile_template(template: str, named: bool = True) -> str:
    """A route template as the text of a regular expression over a decoded path."""
    pattern = ""
    for segment in template.split("/"):
        whole = _PLACEHOLDER.fullmatch(segment)
        if whole and whole[1]:
            pattern += f"(?:/{_group(whole[2], '.*', named)})?"
        elif whole and whole[3]:
            pattern += f"(?:/{_group(whole[2], '[^/]+', named)})?"
        else:
            pattern += "/" + _segment(segment, named)
    return pattern + "/?"


def _segment(segment: str, named: bool) -> str:
    out, end = "", 0
    for found in _PLACEHOLDER.finditer(segment):
        out += re.escape(segment[end : found.start()]) + _group(found[2], "[^/]+", named)
        end = found.end()
    rest = segment[end:]
    if "{" in rest or "{" in re.sub(_PLACEHOLDER, "", segment):
        raise ValueError(f"{{…}} of {segment!r} holds a constraint or a default, which the local host does not know")
    return out + re.escape(rest)


def _group(name: str, pattern: str, named: bool) -> str:
    return f"(?P<{name}>{pattern})" if named else pattern


def request_path(scope_path: str, raw_path: bytes) -> str:
    """The path as the host matches it: decoded, but `%2F` stays, since it divides no segments."""
    if b"%2f" not in raw_path.lower():
        return scope_path
    kept = re.sub(r"%2f", "%252F", raw_path.decode("latin-1"), flags=re.IGNORECASE)
    return unquote(kept)


class RouteTable(Generic[T]):
    """Finds the target of a request. `target` makes it, once for each function, from the route and its parameters' reader."""

    def __init__(self, routes: Sequence[Route], target: Callable[[Route, ParamsOf], T]) -> None:
        self._routes = routes
        readers = [re.compile(compile_template(route.template), re.IGNORECASE) for route in routes]
        self._targets = [target(route, partial(_params, reader)) for route, reader in zip(routes, readers, strict=True)]
        known = {method for route in routes for method in route.methods}
        self._methods = {method: self._compile(method) for method in (*known, _ANY_METHOD)}

    def _compile(self, method: str) -> tuple[dict[str, T], re.Pattern[str], list[T]]:
        """For one method: what each literal path leads to, and the ordered alternatives for all other paths."""
        allowed = [index for index, route in enumerate(self._routes) if route.allows(method)]
        patterns = [compile_template(self._routes[index].template, named=False) for index in allowed]
        # re.I as in Azure. An empty list of alternatives would match the empty path: (?!) matches nothing.
        scan = re.compile("|".join(f"({pattern})\\Z" for pattern in patterns) or "(?!)", re.IGNORECASE | re.DOTALL)
        targets = [self._targets[index] for index in allowed]
        literal: dict[str, T] = {}
        for index in allowed:
            if self._routes[index].literal:
                path = "/" + self._routes[index].template.lower()
                found = scan.match(path)
                if found is not None and found.lastindex is not None:
                    literal[path] = targets[found.lastindex - 1]
        return literal, scan, targets

    def find(self, method: str, path: str) -> T | None:
        """The first match in the order of names, or None."""
        literal, scan, targets = self._methods.get(method) or self._methods[_ANY_METHOD]
        known = literal.get(path.lower())
        if known is not None:
            return known
        found = scan.match(path)
        return targets[found.lastindex - 1] if found is not None and found.lastindex is not None else None


def _params(reader: re.Pattern[str], path: str) -> dict[str, str]:
    found = reader.fullmatch(path)
    return {name: value for name, value in found.groupdict().items() if value is not None} if found else {}
