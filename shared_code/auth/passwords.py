"""Passwords: Argon2id, off the event loop and on a bounded number of threads."""

import asyncio
import functools
import os
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from shared_code.errors import InvalidInput

MIN_LENGTH, MAX_LENGTH = 10, 128

# OWASP Password Storage Cheat Sheet, Argon2id: 19 MiB, 2 passes, 1 lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="argon2")


@functools.cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(24))


def check_rules(password: str, field: str = "password") -> None:
    """Raises InvalidInput unless the password has 10 to 128 characters (NIST SP 800-63B, 5.1.1.2: length, no composition rules)."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.", loc=("body", field), code="invalid_password")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads(), _HASHER.hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password is the stored one. ``stored=None`` (no such user) does the same work and is always False."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), _verify, password, stored)


def _verify(password: str, stored: str | None) -> bool:
    nobodys = _nobodys_hash()  # made by the first sign-in of a process, whoever signs in
    try:
        return _HASHER.verify(nobodys if stored is None else stored, password[: MAX_LENGTH + 1]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    """Whether the parameters have risen since this hash was made."""
    return _HASHER.check_needs_rehash(stored)
