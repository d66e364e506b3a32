"""What a device is called, and whether an account has seen it: by family and system, never by version.

A classifier of our own: the public lists of user agents (ua-parser) cost 0.1 s at the first use, for names that only have to
be recognised by their owner.
"""

import hashlib
import re

KEPT = 20
"""How many devices an account remembers."""
UNKNOWN = "an unknown device"

# The first that matches: most browsers also claim to be those below them.
_PROGRAMS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Vivaldi", r"Vivaldi/"),
    ("Yandex Browser", r"YaBrowser/"),
    ("DuckDuckGo", r"DuckDuckGo/|Ddg/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Safari/"),
    ("Internet Explorer", r"MSIE |Trident/"),
)
_SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("ChromeOS", r"\bCrOS\b"),
    ("macOS", r"Mac OS X|Macintosh|Darwin"),
    ("Linux", r"Linux|X11"),
)
_PRODUCT = re.compile(r"[A-Za-z0-9][\w.+ -]{0,39}")


def name_of(user_agent: str) -> str:
    """``Firefox on Linux``, ``Chrome on Android``, ``curl``: for people, and safe to show."""
    user_agent = user_agent[:512]  # as much as a session keeps
    program, system = _first(_PROGRAMS, user_agent), _first(_SYSTEMS, user_agent)
    if program is None:  # a tool or an app: what stands before its version (RFC 9110, 10.1.5)
        match = _PRODUCT.match(user_agent.strip())
        program = match[0].strip() if match and not match[0].startswith("Mozilla") else None
    if program and system:
        return f"{program} on {system}"
    return program or (f"an app on {system}" if system else UNKNOWN)


def fingerprint(user_agent: str) -> str:
    """What is remembered of a device; it has no spaces."""
    return hashlib.sha256(name_of(user_agent).encode()).hexdigest()[:12]


def seen(devices: tuple[str, ...], device: str) -> tuple[str, ...]:
    """The devices with this one as the latest."""
    return (*(each for each in devices if each != device), device)[-KEPT:]


def _first(kinds: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for name, pattern in kinds if re.search(pattern, user_agent)), None)
