"""What auth talks about: users, sessions and the tokens of a session."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Role = Literal["user", "admin"]


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    """As the user wrote it, trimmed; comparisons use ``emails.normalise``."""
    name: str | None
    role: Role
    """The stored role; ``Accounts.role_of`` also knows ADMIN_EMAILS."""
    email_verified: bool
    mfa_enabled: bool
    disabled: bool
    password_hash: str
    created_at: datetime
    provider: str = ""
    """Empty: signs in here, with a password. ``supabase``: with that project's tokens only."""
    last_sign_in_at: datetime | None = None
    devices: tuple[str, ...] = ()
    """Fingerprints of the devices that have signed in, oldest first."""
    password_proved: bool = False
    """Whether the password was set by whoever has the mailbox: by a link in a mail. The one of a registration need not be."""
    deleting: bool = False
    """Its owner has deleted it (``deletion.py``): for everyone else it is gone."""
    etag: str = ""

    @property
    def greeting(self) -> str | None:
        """The name by which a mail may call its recipient. Not before the address is verified: a stranger may have chosen the
        name, to have his words sent there."""
        return self.name if self.email_verified else None


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in device. Only hashes of its refresh tokens are at rest (see ``refresh.py``)."""

    id: str
    user_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str
    address: str
    current_hash: str
    token_key: str = ""
    """Marks the tokens that were issued here; empty until the next rotation of a session that was begun without one."""
    previous_hash: str = ""
    successor_salt: str = ""
    rotated_at: datetime | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    user: User
    role: Role
    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds until the access token expires."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who is at the other end, as far as we can tell."""

    user_agent: str
    address: str

    @property
    def network(self) -> str:
        """What limits count: of an IPv6 address the first 64 bits, since whoever has one has all that begin so (RFC 6177)."""
        try:
            parsed = ipaddress.ip_address(self.address.partition("%")[0])
        except ValueError:
            return self.address
        return self.address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
