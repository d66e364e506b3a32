"""Requests' parameters: decoded from forms, and held against the SDK's own declarations, so that the stand-in takes no more than Stripe.

The declarations are TypedDicts (`stripe.params.*`), generated from Stripe's OpenAPI document. A union with `Literal['']` may be unset
by an empty string; a union of literals with `str` is an enumeration that future API versions may widen, closed here.
"""

import functools
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Union
from urllib.parse import parse_qsl

from .errors import StripeError, invalid, missing, unknown

Params = dict[str, Any]
_KEY = re.compile(r"\[([^\[\]]*)\]")
_MOST_NESTING = 6
_OPTIONS = frozenset(
    ["api_key", "stripe_version", "stripe_account", "stripe_context", "max_network_retries", "idempotency_key", "content_type", "headers"]
)
_MAX_STRING = 5000  # characters; Stripe's limit for most texts


def decode(text: str) -> Params:
    """`a[b][0]=x&c[]=y` to `{"a": {"b": ["x"]}, "c": ["y"]}`. Raises StripeError for keys that can't be meant."""
    root: Params = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=1000)
    except (ValueError, UnicodeDecodeError):
        raise invalid("Invalid request body: it can't be decoded as a form.") from None
    for key, value in pairs:
        name, _, rest = key.partition("[")
        parts = _KEY.findall(f"[{rest}") if rest else []
        if not name or "".join(f"[{part}]" for part in parts) != (f"[{rest}" if rest else "") or len(parts) > _MOST_NESTING:
            raise invalid(f"Invalid string: {key}", key)
        node: Any = root
        for here, following in zip([name, *parts], [*parts, None], strict=True):
            here = here if here != "" else str(len(node))
            if not isinstance(node, dict) or (following is None and isinstance(node.get(here), dict)):
                raise invalid(f"Invalid object: {key} is given both as a value and as an object.", key)
            if following is None:
                node[here] = value
            else:
                node = node.setdefault(here, {})
    return root


class Given(dict[str, Any]):
    """A request's parameters, which knows those that were looked at: what nobody looks at, the stand-in does not do."""

    def __init__(self, values: Params) -> None:
        super().__init__(values)
        self._seen: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._seen.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._seen.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._seen.add(name)
        return super().get(name, default)

    def unseen(self) -> list[str]:
        return [name for name in self if name not in self._seen]


def may_have(params: Params, *names: str) -> None:
    """Parameters that change nothing here, or not always."""
    for name in names:
        params.get(name)


def _as_list(value: Any) -> list[Any] | None:
    """A hash whose keys are 0, 1, 2 … in any order."""
    if isinstance(value, dict) and value and all(key.isdecimal() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return None


@functools.cache
def _fields(declaration: Any) -> Mapping[str, Any]:
    """The declared parameters and their types; what the SDK itself takes is left out."""
    found: dict[str, Any] = {}
    for base in reversed(declaration.__mro__ if hasattr(declaration, "__mro__") else (declaration,)):
        found |= getattr(base, "__annotations__", {})
    found = {name: kind for name, kind in found.items() if name not in _OPTIONS}
    return {name: _resolve(kind, sys.modules[declaration.__module__]) for name, kind in found.items()}


def _resolve(kind: Any, module: types.ModuleType) -> Any:
    if isinstance(kind, typing.ForwardRef):
        kind = kind.__forward_arg__
    if isinstance(kind, str):
        kind = eval(kind, {**vars(typing), **vars(module)})  # noqa: S307  # the SDK's own source text
    origin = typing.get_origin(kind)
    if origin is not None and getattr(origin, "_name", getattr(origin, "__name__", "")) in ("NotRequired", "Required"):
        return _resolve(typing.get_args(kind)[0], module)
    if origin in (Union, types.UnionType):
        return Union[tuple(_resolve(each, module) for each in typing.get_args(kind))]  # noqa: UP007  # X | Y cannot be made of a tuple
    if origin is list:
        return list[_resolve(typing.get_args(kind)[0], module)]  # type: ignore[misc]  # a type made while running
    if origin is dict:
        return dict[str, _resolve(typing.get_args(kind)[1], module)]  # type: ignore[misc]  # likewise
    return kind


def _is_hash(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def validate(raw: Params, declaration: Any, prefix: str = "") -> Params:
    """The parameters in Python's types. Raises StripeError as Stripe answers: unknown ones first, then missing ones, then bad values."""
    fields = _fields(declaration)
    for name in raw:
        if name not in fields:
            raise unknown(f"{prefix}[{name}]" if prefix else name)
    for name in sorted(declaration.__required_keys__ - _OPTIONS):
        if name not in raw:
            raise missing(f"{prefix}[{name}]" if prefix else name)
    return {name: _value(raw[name], fields[name], f"{prefix}[{name}]" if prefix else name) for name in raw}


def _value(raw: Any, kind: Any, param: str) -> Any:
    members = list(typing.get_args(kind)) if typing.get_origin(kind) in (Union, types.UnionType) else [kind]
    literals = [value for member in members if typing.get_origin(member) is typing.Literal for value in typing.get_args(member)]
    rest = [member for member in members if typing.get_origin(member) is not typing.Literal]
    choices = [value for value in literals if value != ""]
    if raw == "":
        return _empty("" in literals, rest, param)
    if isinstance(raw, dict):
        return _nested(raw, rest, param)
    if raw in choices:
        return raw
    scalars = [member for member in rest if member in (int, float, bool, Decimal) or (member is str and not choices)]
    failure: StripeError | None = None
    for scalar in sorted(scalars, key=lambda member: member is str):
        try:
            return _SCALARS[scalar](raw, param)
        except StripeError as error:
            failure = failure or error
    if choices and failure is None:
        listed = ", ".join(choices[:-1]) + f", or {choices[-1]}" if len(choices) > 1 else choices[0]
        raise invalid(f"Invalid {param}: must be {'one of ' if len(choices) > 1 else ''}{listed}", param)
    if failure is None:
        is_list = any(typing.get_origin(member) is list for member in rest)
        raise invalid("Invalid array" if is_list else "Invalid object", param)
    raise failure


def _empty(unsets: bool, rest: Iterable[Any], param: str) -> Any:
    if unsets:
        return ""
    if any(typing.get_origin(member) is list for member in rest):
        return []
    raise invalid(
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; however '{param}' cannot "
        f"be unset. You should remove '{param}' from your request or supply a non-empty value.",
        param,
        "parameter_invalid_empty",
    )


def _nested(raw: Params, rest: Iterable[Any], param: str) -> Any:
    for member in rest:
        origin = typing.get_origin(member)
        if origin is list:
            items = _as_list(raw)
            if items is None:
                raise invalid("Invalid array", param)
            return [_value(item, typing.get_args(member)[0], f"{param}[{place}]") for place, item in enumerate(items)]
        if origin is dict:
            values = typing.get_args(member)[1]
            if values is str:
                return {key: _metadata_text(value, f"{param}[{key}]") for key, value in raw.items()}
            return {key: _value(value, values, f"{param}[{key}]") for key, value in raw.items()}
        if _is_hash(member):
            return validate(raw, member, param)
    raise invalid("Invalid string: a hash was given.", param)


def _metadata_text(value: Any, param: str) -> str:
    if not isinstance(value, str):
        raise invalid("Invalid string: metadata values are texts, not objects.", param)
    return value


def _integer(raw: str, param: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", raw):
        raise invalid(f"Invalid integer: {raw}", param, "parameter_invalid_integer")
    return int(raw)


def _boolean(raw: str, param: str) -> bool:
    if raw not in ("true", "false"):
        raise invalid(f"Invalid boolean: {raw}", param)
    return raw == "true"


def _decimal(raw: str, param: str) -> Decimal:
    try:
        return Decimal(raw)
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {raw}", param) from None


def _text(raw: str, param: str) -> str:
    if len(raw) > _MAX_STRING:
        raise invalid(f"Invalid string: must be at most {_MAX_STRING} characters", param, "parameter_invalid_string_long")
    return raw


_SCALARS: Mapping[Any, Any] = {int: _integer, bool: _boolean, float: _decimal, Decimal: _decimal, str: _text}


def merge_metadata(old: Mapping[str, str], new: Any) -> dict[str, str]:
    """An empty value unsets its key, an empty text all. https://docs.stripe.com/api/metadata"""
    if new is None:
        return dict(old)
    if new == "":
        return {}
    for key, value in new.items():
        if len(key) > 40:
            raise invalid(
                f"Metadata keys must have up to 40 characters, but you passed in a key that is {len(key)} characters.", "metadata"
            )
        if len(value) > 500:
            raise invalid(
                f"Metadata values must have up to 500 characters, but you passed in a value that is {len(value)} characters. "
                f"Invalid value: {value[:50]}…",
                f"metadata[{key}]",
            )
    merged = {key: value for key, value in {**old, **new}.items() if value != ""}
    if len(merged) > 50:
        raise invalid(f"Metadata can have up to 50 keys, but you passed in {len(merged)}.", "metadata")
    return merged
