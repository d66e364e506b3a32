"""How many accounts there are."""

from shared_code.auth.purge import REGISTERING
from shared_code.auth.tables import EMAIL_KEY, EMAILS
from shared_code.storage.ports import Delete
from tests.unit.apps import PASSWORD, bearer, make_app, register


async def test_accounts_that_came_and_went() -> None:
    app = make_app()
    counted = app.container.user_statistics
    assert (await counted.roll_up()).figures == {}
    async with app.client() as client:
        accounts = [await register(client) for _ in range(3)]
        assert (await counted.roll_up()).figures == {"users": 3}
        token = accounts[0]["access_token"]
        gone = await client.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(token))
        assert gone.status_code == 204
    assert (await counted.roll_up()).figures == {"users": 2}
    await app.settled()


async def test_another_process_counts_what_this_one_has_written_down() -> None:
    app = make_app()
    other = app.sibling()
    await other.container.user_statistics.roll_up()
    async with app.client() as client:
        await register(client)
    assert (await other.container.user_statistics.roll_up()).figures == {}, "the mark waits in the process that registered"
    await app.container.changes("users").flush()
    assert (await other.container.user_statistics.roll_up()).figures == {"users": 1}


async def test_what_a_dead_process_kept_to_itself_is_found_at_night() -> None:
    app = make_app()
    other = app.sibling()
    await other.container.user_statistics.roll_up()
    async with app.client() as client:
        await register(client)
    found = await other.container.user_statistics.recount()
    assert (found.figures, found.drifted, found.difference["users"]) == ({"users": 1}, 1, 1)


async def test_an_account_that_never_had_its_address_is_purged_and_counted_no_more() -> None:
    app = make_app()
    async with app.client() as client:
        await register(client, "ada@example.com")
    assert (await app.container.user_statistics.roll_up()).figures == {"users": 1}
    await app.storage.tables.apply(EMAILS, "ada@example.com", Delete(EMAIL_KEY))  # as if the process had died before this row
    app.clock.advance(REGISTERING.total_seconds())
    await app.container.auth_purge.run()
    assert (await app.container.user_statistics.roll_up()).figures == {}
