"""How many accounts one network address may make."""

import asyncio

from tests.unit.apps import PASSWORD, make_app


async def test_registrations_of_an_address_are_limited() -> None:
    app = make_app(AUTH_REGISTER_ADDRESS="3/3600")
    sibling = app.sibling(AUTH_REGISTER_ADDRESS="3/3600")
    async with app.client() as here, sibling.client() as there, app.client(address="192.0.2.2") as elsewhere:
        refused = await here.post("/api/auth/register", json={"email": "nonsense", "password": PASSWORD})
        assert refused.status_code == 422, "what cannot be an account is not counted"
        answers = await asyncio.gather(
            *[
                each.post("/api/auth/register", json={"email": f"{n}@example.com", "password": PASSWORD})
                for n in range(5)
                for each in (here, there)
            ]
        )
        limited = [answer for answer in answers if answer.status_code == 429]
        assert len(limited) == 7
        headers = limited[0].headers
        assert (limited[0].json()["code"], headers["retry-after"]) == ("rate_limited", "3600")
        assert (headers["ratelimit-limit"], headers["ratelimit-remaining"], headers["ratelimit-reset"]) == ("3", "0", "3600")
        sent = {"email": "elsewhere@example.com", "password": PASSWORD}
        assert (await elsewhere.post("/api/auth/register", json=sent)).status_code == 201
        app.clock.advance(3600)
        assert (await here.post("/api/auth/register", json={**sent, "email": "later@example.com"})).status_code == 201
