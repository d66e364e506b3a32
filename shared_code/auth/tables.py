"""Auth's rows. ``users``: a user's own partition, with the row ``user`` and one row ``session:<id>`` for each session.
``emails``: a row ``email`` for each address, which decides that it is taken, and a row ``failures`` of what was guessed there."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from shared_code import ids
from shared_code.storage.ports import Row, Value

from .models import Role, Session, User

USERS = "users"
EMAILS = "emails"
USER_KEY = "user"
EMAIL_KEY = "email"
FAILURES_KEY = "failures"
MFA_KEY = "mfa"
MFA_LOGIN_PREFIX = "mfa-login:"
SESSION_PREFIX = "session:"


def session_key(session_id: str) -> str:
    """Inverted, so that a list of sessions begins with the newest."""
    return SESSION_PREFIX + ids.inverted(session_id)


def user_values(user: User) -> dict[str, Value]:
    return {
        "v": 1,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "email_verified": user.email_verified,
        "mfa_enabled": user.mfa_enabled,
        "disabled": user.disabled,
        "password_hash": user.password_hash,
        "created_at": user.created_at,
        "provider": user.provider,
        "last_sign_in_at": user.last_sign_in_at,
        "devices": " ".join(user.devices),
        "password_proved": user.password_proved,
        "deleting": user.deleting,
    }


def to_user(row: Row) -> User:
    values = row.values
    return User(
        id=row.partition,
        email=str(values["email"]),
        name=_optional(values, "name") or None,
        role=cast(Role, values["role"]),
        email_verified=bool(values["email_verified"]),
        mfa_enabled=bool(values["mfa_enabled"]),
        disabled=bool(values["disabled"]),
        password_hash=str(values["password_hash"]),
        created_at=_moment(values["created_at"]),
        provider=_optional(values, "provider") or "",
        last_sign_in_at=_moment(values["last_sign_in_at"]) if values.get("last_sign_in_at") else None,
        devices=tuple(str(values.get("devices") or "").split()),
        password_proved=bool(values.get("password_proved")),
        deleting=bool(values.get("deleting")),
        etag=row.etag,
    )


def session_values(session: Session) -> dict[str, Value]:
    return {
        "v": 1,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
        "user_agent": session.user_agent,
        "address": session.address,
        "current_hash": session.current_hash,
        "token_key": session.token_key,
        "previous_hash": session.previous_hash,
        "successor_salt": session.successor_salt,
        "rotated_at": session.rotated_at,
    }


def to_session(row: Row) -> Session:
    values = row.values
    rotated_at = values.get("rotated_at")
    return Session(
        id=ids.inverted(row.key.removeprefix(SESSION_PREFIX)),
        user_id=row.partition,
        created_at=_moment(values["created_at"]),
        last_used_at=_moment(values["last_used_at"]),
        expires_at=_moment(values["expires_at"]),
        user_agent=str(values["user_agent"]),
        address=str(values["address"]),
        current_hash=str(values["current_hash"]),
        token_key=_optional(values, "token_key") or "",
        previous_hash=str(values["previous_hash"]),
        successor_salt=str(values["successor_salt"]),
        rotated_at=_moment(rotated_at) if rotated_at is not None else None,
        etag=row.etag,
    )


def _moment(value: Value) -> datetime:
    assert isinstance(value, datetime)
    return value


def _optional(values: Mapping[str, Value], name: str) -> str | None:
    value = values.get(name)
    return None if value is None else str(value)
