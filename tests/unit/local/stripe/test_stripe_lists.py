"""Lists: newest first, and cursors that lose and repeat nothing."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.local.stripe.support import World


async def _pages(world: World, query: str, limit: int, backwards: bool, start: str | None) -> list[str]:
    """All ids that following the cursor gives, in the order of the list."""
    found: list[str] = []
    cursor = start
    for _ in range(100):
        name = "ending_before" if backwards else "starting_after"
        page = (await world.get(f"/v1/customers?limit={limit}{query}" + (f"&{name}={cursor}" if cursor else ""))).json()
        ids = [each["id"] for each in page["data"]]
        assert len(ids) <= limit
        found = ids + found if backwards else found + ids
        if not page["has_more"]:
            return found
        cursor = ids[0] if backwards else ids[-1]
    raise AssertionError("the list has no end")


@settings(max_examples=30)
@given(
    steps=st.lists(st.integers(0, 2), max_size=12),
    limit=st.integers(1, 5),
    bounds=st.tuples(st.integers(-1, 12), st.integers(-1, 12)),
    names=st.tuples(st.sampled_from(["gt", "gte"]), st.sampled_from(["lt", "lte"])),
    more=st.integers(0, 3),
)
def test_cursors(steps: list[int], limit: int, bounds: tuple[int, int], names: tuple[str, str], more: int) -> None:
    async def run() -> None:
        world = World()
        start = int(world.time)
        made: list[dict[str, Any]] = []
        for step in steps:
            world.time += step
            made.insert(0, (await world.post("/v1/customers", "")).json())
        low, high = start + bounds[0], start + bounds[1]
        query = f"&created[{names[0]}]={low}&created[{names[1]}]={high}"
        low, high = low + (names[0] == "gt"), high - (names[1] == "lt")
        wanted = [each["id"] for each in made if low <= each["created"] <= high]
        assert await _pages(world, query, limit, False, None) == wanted
        if made:
            oldest = made[-1]["id"]
            assert await _pages(world, query, limit, True, oldest) == [id for id in wanted if id != oldest]
            first = (await world.get(f"/v1/customers?limit={limit}")).json()
            for _ in range(more):  # what comes in the meantime moves nothing
                await world.post("/v1/customers", "")
            rest = await _pages(world, "", limit, False, first["data"][-1]["id"])
            assert [each["id"] for each in first["data"]] + rest == [each["id"] for each in made]
        await world.http.aclose()

    asyncio.run(run())


async def test_filters(world: World) -> None:
    ann, bob = await world.customer(), await world.customer()
    mine = [(await world.payment(customer=owner.id)).id for owner in (ann, bob, ann)]
    found = await world.sdk.payment_intents.list_async({"customer": ann.id, "limit": 1})
    assert [each.id for each in found.data] == [mine[2]]
    assert found.has_more
    everything = [each.id async for each in found.auto_paging_iter()]
    assert everything == [mine[2], mine[0]]
    charges = await world.sdk.charges.list_async({"payment_intent": mine[1], "expand": ["data.customer"]})
    assert [each.customer.id for each in charges.data] == [bob.id]  # type: ignore[union-attr]
