"""What is sealed opens in its place, under any key of the ring."""

import pytest

from shared_code.auth import keys
from shared_code.auth.secrets_box import SecretsBox, Unreadable, ring_of
from shared_code.auth.tables import MFA_KEY, USERS
from tests.unit.apps import make_app, signing_pem
from tests.unit.auth.totp_app import both, code, enrolled

FIRST, SECOND = "one-" * 10, "two-" * 10


def box(*data_keys: str, signing: str = "") -> SecretsBox:
    async def signing_keys() -> list[keys.SigningKey]:
        return keys.from_pem(signing) if signing else []

    return SecretsBox(ring_of(data_keys, signing_keys))


async def test_a_ring_turns() -> None:
    sealed = await box(FIRST).seal("text", "ada")
    assert "text" not in sealed
    assert sealed != await box(FIRST).seal("text", "ada")
    assert await box(FIRST).open(sealed, "ada") == ("text", False)
    assert await box(SECOND, FIRST).open(sealed, "ada") == ("text", True)
    with pytest.raises(Unreadable):
        await box(SECOND).open(sealed, "ada")
    with pytest.raises(Unreadable):
        await box(FIRST).open(sealed, "eve")
    with pytest.raises(Unreadable):
        await box(FIRST).open(sealed[:-4] + ("AAA=" if sealed[-4:] != "AAA=" else "BBA="), "ada")


async def test_signing_keys_serve_until_there_are_others() -> None:
    old, new = signing_pem(), keys.new_pem()
    sealed = await box(signing=old).seal("text", "ada")
    assert await box(signing=new + old).open(sealed, "ada") == ("text", True)
    assert await box(FIRST, signing=old).open(sealed, "ada") == ("text", True)

    async def shared() -> list[keys.SigningKey]:
        return [keys.shared_secret("s" * 40)]

    other = SecretsBox(ring_of((), shared))
    assert await other.open(await other.seal("text", "ada"), "ada") == ("text", False)


async def test_a_secret_is_sealed_anew_when_it_is_used() -> None:
    app = make_app()
    async with app.client() as client:
        secret, recovery, _ = await enrolled(app, client)
    turned = app.sibling(AUTH_DATA_KEY=FIRST)
    async with turned.client() as client:
        assert (await both(client, code(secret, app.clock))).status_code == 200
    app.clock.advance(30)
    lost = app.sibling(AUTH_DATA_KEY=SECOND, JWT_PRIVATE_KEY=keys.new_pem())
    async with lost.client() as client:
        answer = await both(client, code(secret, app.clock))
        assert (answer.status_code, answer.json()["code"]) == (503, "mfa_unavailable")
        assert (await both(client, recovery[0])).status_code == 200, "they need no key"
    only = app.sibling(AUTH_DATA_KEY=f"{SECOND},{FIRST}", JWT_PRIVATE_KEY=keys.new_pem())
    async with only.client() as client:
        assert (await both(client, code(secret, app.clock))).status_code == 200
    (row,) = [row for row in await app.storage.tables.query(USERS) if row.key == MFA_KEY]
    assert await box(SECOND).open(str(row.values["secret"]), f"totp:{row.partition}") == (secret, False)
