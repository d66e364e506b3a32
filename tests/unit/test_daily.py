"""A table a day, dropped whole."""

from datetime import UTC, datetime

from shared_code.storage.daily import drop_expired, table_for
from shared_code.storage.memory import MemoryStorage
from shared_code.storage.ports import Insert
from tests.unit.apps import make_app

NOW = datetime(2026, 3, 1, 0, 10, tzinfo=UTC)


async def test_old_days_go_and_nothing_else() -> None:
    tables = MemoryStorage().tables
    names = [
        "idempotency20260226",
        "idempotency20260227",
        "idempotency20260228",
        "idempotency20260301",
        "idempotency2026022",
        "idempotencyabcdefgh",
    ]
    for name in [*names, "idempotencyother20200101", "users"]:
        await tables.apply(name, "p", Insert("k", {}))
    assert await drop_expired(tables, "idempotency", NOW, keep_days=1) == 2
    left = await tables.list_tables()
    assert "idempotency20260227" not in left
    assert {"idempotency20260228", "idempotency20260301", "idempotency2026022", "idempotencyabcdefgh", "users"} <= set(left)
    assert await drop_expired(tables, "idempotency", NOW, keep_days=1) == 0


async def test_the_nightly_purge_keeps_what_may_be_replayed() -> None:
    app = make_app()
    for days in range(4):
        name = table_for("idempotency", app.clock.now())
        await app.storage.tables.apply(name, "p", Insert("k", {}))
        if days < 3:
            app.clock.advance(86400)
    job = next(f for f in app.functions.get_functions() if f.get_function_name() == "common_purge")
    await job.get_user_function()(None)
    assert len(await app.storage.tables.list_tables("idempotency")) == 2
