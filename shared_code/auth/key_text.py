r"""What an API key looks like: ``lyd_``, the user's id, a secret, and a checksum of all that.

The regular expression, for secret scanners: ``lyd_[0-9a-hjkmnp-tv-z]{26}[0-9A-Za-z]{38}``. The id has 26 characters; the
secret 32 of base 62, 190 random bits; the checksum 6, the CRC-32 of the 62 characters before it in base 62, digits first,
then capital, then small letters. The prefix and the checksum are GitHub's idea ("Behind GitHub's new authentication token
formats", 2021): a scanner tells a key from chance without asking us, and a mistyped one costs no storage call.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass

PREFIX = "lyd_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH, CHECKSUM_LENGTH = 32, 6

_KEY = re.compile(r"(lyd_([0-9a-hjkmnp-tv-z]{26})([0-9A-Za-z]{32}))([0-9A-Za-z]{6})")


@dataclass(frozen=True, slots=True)
class KeyText:
    user_id: str
    digest: str
    """SHA-256 of the secret, hexadecimal: what is at rest."""


def new(user_id: str) -> str:
    text = PREFIX + user_id + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    return text + checksum(text)


def parse(text: str) -> KeyText | None:
    """None for what is no key of ours, which includes one with a wrong checksum."""
    match = _KEY.fullmatch(text)
    if match is None or checksum(match[1]) != match[4]:  # a checksum is no secret: it need not be compared in constant time
        return None
    # 190 random bits need no slow hash.
    return KeyText(match[2], hashlib.sha256(match[3].encode()).hexdigest())


def hint(text: str) -> str:
    """The last four characters: of the checksum, so that nothing of the secret itself is shown."""
    return text[-4:]


def checksum(text: str) -> str:
    value, characters = zlib.crc32(text.encode()), []
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, 62)
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))
