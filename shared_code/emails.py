"""E-mail addresses: what is one, and when two are the same."""

import re
import unicodedata

from shared_code.errors import InvalidInput

MAX_LENGTH = 254  # octets; RFC 5321, 4.5.3.1.3: a path of 256 with its angle brackets

_LONGEST = 1000
"""Characters that are looked at: normalising takes time that grows with their square, and nothing so long is an address."""

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp")

_ADDRESS = re.compile(r"[^\s@\"<>()\[\]\\,:;\x00-\x1f\x7f]{1,64}@[^\W_](?:[\w.-]{0,251}[^\W_])?")


def cleaned(address: str) -> str:
    """The address as it is kept and written to; raises InvalidInput when it is none.

    Deliberately looser than RFC 5321 (any mail system's own rules decide) but without quoting, comments and line ends, so
    that nothing can be smuggled into a header.
    """
    if not is_address(address):
        raise InvalidInput("This is not an e-mail address.", loc=("body", "email"), code="invalid_email")
    return address.strip()


def is_address(address: str) -> bool:
    normal = normalise(address)
    return (
        len(address) <= _LONGEST
        and len(normal.encode("utf-8", "replace")) <= MAX_LENGTH
        and _ADDRESS.fullmatch(normal) is not None
        and ".." not in normal
        # Line ends, directions, joiners and what else cannot be seen: nothing hides in an address, before or after NFKC.
        and not any(unicodedata.category(character) in _UNSEEN for character in address.strip() + normal)
    )


def normalise(address: str) -> str:
    """The form under which addresses are compared: trimmed, NFKC, case-folded (SPEC §5). Of what is too long for one, the
    beginning."""
    address = address[:_LONGEST]
    # Each step can undo another (NFKC makes spaces, folding makes what NFKC composes): until nothing changes.
    while (normal := unicodedata.normalize("NFKC", address).casefold().strip()) != address:
        address = normal
    return address


def literal(address: str) -> str:
    """The form for what must not be mistaken: trimmed, with ASCII letters in lower case, and nothing else folded. A mail system
    may deliver to a mailbox of its own what ``normalise`` takes for another: ß is not ss in a domain (RFC 5892)."""
    return address.strip().translate(_ASCII_LOWER)


def masked(address: str) -> str:
    """What a log may show of an address: enough to tell two of one's own apart, such as ``a…@example.com``."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"
