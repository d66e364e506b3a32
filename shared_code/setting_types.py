"""How settings are declared and written: each parser takes a variable's text and raises ValueError with what it must be."""

import dataclasses
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any


def setting(env: str, default: str, doc: str, parse: Callable[[str], Any] | None = None, *, secret: bool = False) -> Any:
    """Declare one setting: its variable, its default as it would be written there, and what it does."""
    # A secret is in no representation: not in a debugger's, not in a traceback's.
    return dataclasses.field(
        repr=not secret, metadata={"env": env, "default": default, "doc": doc, "parse": parse or text, "secret": secret}
    )


SERVICES = ("monitoring", "auth", "ai", "chat", "files", "payments")


def text(raw: str) -> str:
    return raw


def integer(raw: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", raw):
        raise ValueError("must be a whole number, 0 or more")
    return int(raw)


def flag(raw: str) -> bool:
    if raw.lower() not in ("true", "false", "1", "0"):
        raise ValueError("must be true or false")
    return raw.lower() in ("true", "1")


def names(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def named_keys(raw: str) -> tuple[str, ...]:
    """``name=key`` each; the key may hold ``=`` itself."""
    for part in names(raw):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}=[!-~]+", part):
            raise ValueError("must be a comma list of name=key")
    return names(raw)


def services(raw: str) -> tuple[str, ...]:
    named = names(raw.lower())
    if not named or "all" in named:
        return SERVICES
    unknown = sorted(set(named) - set(SERVICES))
    if unknown:
        raise ValueError(f"knows no {', '.join(unknown)}; choose from all, {', '.join(SERVICES)}")
    return tuple(service for service in SERVICES if service in named)


def networks(raw: str) -> tuple[str, ...]:
    for network in names(raw):
        ipaddress.ip_network(network, strict=False)
    return names(raw)


def rate(raw: str) -> tuple[int, int] | None:
    """``5/900`` is five in 900 seconds; ``off`` is no limit."""
    if raw.lower() == "off":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}/[1-9][0-9]{0,5}", raw):
        raise ValueError("must be a count and a number of seconds, such as 5/900, or off")
    count, seconds = raw.split("/")
    return int(count), int(seconds)


def dollars(raw: str) -> Decimal | None:
    """US dollars, at most six decimals (micro-dollars are what is counted)."""
    if not raw:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", raw):
        raise ValueError("must be US dollars such as 20 or 0.5")
    return Decimal(raw)


def percent(raw: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,4})?", raw):
        raise ValueError("must be a percentage below 100, such as 99.9")
    return Decimal(raw)


def currency(raw: str) -> str:
    if not re.fullmatch(r"[a-zA-Z]{3}", raw):
        raise ValueError("must be a currency's three letters, such as usd")
    return raw.lower()


def plans(raw: str) -> Mapping[str, Mapping[str, int | Decimal]]:
    try:
        plans = json.loads(raw, parse_float=Decimal)
        for plan in plans.values():
            if plan.keys() - {"files_quota_bytes", "ai_monthly_usd"}:
                raise ValueError
            quota, budget = plan.get("files_quota_bytes", 0), plan.get("ai_monthly_usd", 0)
            if type(quota) is not int or type(budget) not in (int, Decimal) or min(quota, budget) < 0:
                raise ValueError
    except (ValueError, AttributeError, TypeError):
        raise ValueError('must be JSON such as {"price_123": {"files_quota_bytes": 1000000, "ai_monthly_usd": 20}}') from None
    return plans  # type: ignore[no-any-return]  # as it was just checked


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return raw

    return parse


def container(raw: str) -> str:
    # https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
    if not re.fullmatch(r"[a-z0-9](?!.*--)[a-z0-9-]{1,53}[a-z0-9]", raw):
        raise ValueError("must be 3–55 lower-case letters, digits and single hyphens")
    return raw


def base_url(raw: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", raw):
        raise ValueError("must be an http(s) URL without query")
    return raw.rstrip("/")


def connection(raw: str) -> str:
    # The emulator's short form and what it stands for are Microsoft's ("Use the Azurite emulator"); Python's SDKs know
    # only the long form.
    if raw.rstrip(";").lower() != "usedevelopmentstorage=true":
        return raw
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    endpoints = "".join(
        f"{kind}Endpoint=http://127.0.0.1:{port}/{account};" for kind, port in (("Blob", 10000), ("Queue", 10001), ("Table", 10002))
    )
    return f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};{endpoints}"
