"""Usage and budgets over HTTP (SPEC §6)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from functions.dependencies import ContainerDep
from shared_code.ai.usage_schemas import BudgetRequest, BudgetResponse, UsageResponse
from shared_code.errors import Forbidden
from shared_code.web.callers import Caller, CallerDependency

from .spending import spender

AiCaller = Annotated[Caller, Depends(CallerDependency("ai"))]
AiAdmin = Annotated[Caller, Depends(CallerDependency("ai", admin=True))]
Day = Annotated[str | None, Query(max_length=10, description="a day such as `2026-11-24`, included")]


def add_routes(router: APIRouter) -> None:
    router.get("/api/ai/usage", name="ai_get_usage")(get_usage)
    router.put("/api/ai/budgets/{user_id}", name="ai_set_budget")(set_budget)


async def get_usage(
    response: Response,
    caller: AiCaller,
    container: ContainerDep,
    since: Annotated[Day, Query(alias="from")] = None,
    until: Annotated[Day, Query(alias="to")] = None,
    user_id: Annotated[str | None, Query(min_length=1, max_length=64, description="another's, for administrators")] = None,
    scope: Annotated[Literal["own", "all"], Query(description="`all`: everybody's, for administrators")] = "own",
) -> UsageResponse:
    """Tokens and cost by day and model, and the budget: the caller's, a user's, or with `scope=all` everybody's. This month's unless
    `from` and `to` say otherwise."""
    response.headers["Cache-Control"] = "no-store"
    if caller.role != "admin" and (scope == "all" or user_id not in (None, caller.user_id)):
        raise Forbidden("Other people's usage is for administrators.")
    reports = container.ai_usage
    if scope == "all" and user_id is None:
        return UsageResponse.of(await reports.of_everybody(since, until))
    if user_id is not None and user_id != caller.user_id:
        return UsageResponse.of(await reports.of_another(user_id, since, until))
    return UsageResponse.of(await reports.of(caller.user_id, since, until, key=spender(caller)))


async def set_budget(user_id: str, body: BudgetRequest, caller: AiAdmin, container: ContainerDep) -> BudgetResponse:
    """What a user may spend on models in a calendar month (UTC), before their plan and `AI_DEFAULT_BUDGET_USD`; null removes it.

    It holds at once for requests that this instance lets in, and everywhere within four minutes. What is under way is not stopped:
    a budget below what is spent and held refuses new requests.
    """
    return BudgetResponse.of(await container.ai_usage.set_budget(user_id, body.monthly_usd, by=caller.user_id))
