"""Passwords: the rule, the work, and when it is done again."""

import threading

import pytest
from argon2 import PasswordHasher, Type

from shared_code.auth import passwords
from shared_code.errors import InvalidInput


@pytest.mark.parametrize("password", ["x" * 10, "x" * 128, " " * 10, "пароль-пароль", "\U0001f511" * 10, "\x00" * 10])
def test_ten_to_a_hundred_and_twenty_eight_characters(password: str) -> None:
    passwords.check_rules(password)


@pytest.mark.parametrize("password", ["", "x" * 9, "x" * 129, "\U0001f511" * 9])
def test_shorter_and_longer_ones(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        passwords.check_rules(password, "new_password")
    assert caught.value.code == "invalid_password"
    assert caught.value.extra["errors"][0]["loc"] == ["body", "new_password"]
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("password", ["correct horse battery", "x" * 128, "pass\x00word with nul"])
async def test_round_trip(password: str) -> None:
    stored = await passwords.hash_password(password)
    assert stored.startswith("$argon2id$")
    assert stored != await passwords.hash_password(password)
    assert await passwords.verify_password(password, stored)
    assert not await passwords.verify_password(password + "!", stored)
    assert not await passwords.verify_password(password[:-1], stored)
    assert not await passwords.verify_password("", stored)


async def test_a_huge_password_is_no_work() -> None:
    stored = await passwords.hash_password("x" * 128)
    assert not await passwords.verify_password("x" * 1_000_000, stored)


@pytest.mark.parametrize("stored", [None, "", "nonsense", "$argon2id$v=19$broken"])
async def test_nobodys_password_is_always_wrong(stored: str | None) -> None:
    assert not await passwords.verify_password("nobody has this password", stored)


async def test_the_work_is_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    class Watching(PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            threads.append(threading.current_thread())
            return super().hash(password, salt=salt)

    monkeypatch.setattr(passwords, "_HASHER", Watching(time_cost=1, memory_cost=8, parallelism=1))
    stored = await passwords.hash_password("correct horse")
    await passwords.verify_password("correct horse", stored)
    assert threads
    assert threading.main_thread() not in threads


async def test_raised_parameters_ask_for_a_new_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = await passwords.hash_password("correct horse")
    assert not passwords.needs_rehash(stored)
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert passwords.needs_rehash(stored)
    assert await passwords.verify_password("correct horse", stored)


def test_the_parameters_are_owasps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the cheap ones of conftest.py
    hasher = passwords._HASHER
    assert (hasher.type, hasher.memory_cost, hasher.time_cost, hasher.parallelism) == (Type.ID, 19 * 1024, 2, 1)
