"""Usage and budgets as OpenAPI shows them. Money is US dollars (``dollars.py``)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared_code.clock import rfc3339
from shared_code.dollars import MicroDollars, Usd, usd

from .spending import Counts
from .usage import Budget, Usage


class BudgetRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    monthly_usd: MicroDollars | None = Field(description="US dollars in a calendar month (UTC); null: what the plan or the settings say")


class BudgetResponse(BaseModel):
    budget: Usd | None = Field(description="for the calendar month (UTC); null: no limit")
    spent: Usd
    held: Usd = Field(description="reserved for requests under way, and for some that instances expect")
    resets_at: str

    @classmethod
    def of(cls, budget: Budget) -> "BudgetResponse":
        return cls(
            budget=None if budget.micro is None else usd(budget.micro),
            spent=usd(budget.spent),
            held=usd(budget.held),
            resets_at=rfc3339(budget.resets_at),
        )


class CountsResponse(BaseModel):
    requests: int
    input_tokens: int = Field(description="cached ones included")
    cached_tokens: int
    output_tokens: int
    cost: Usd
    estimated_requests: int = Field(description="requests of which the provider did not say what they took")


class DayOfModel(CountsResponse):
    day: str
    model: str


class UsageResponse(BaseModel):
    """By day and model, newest day first. A request belongs to the day (UTC) on which it began."""

    first: str = Field(serialization_alias="from", description="day, included")
    last: str = Field(serialization_alias="to", description="day, included")
    items: list[DayOfModel]
    total: CountsResponse
    budget: BudgetResponse | None = Field(description="null for everybody's usage")
    key_budget: BudgetResponse | None = Field(description="of the API key that asks, if it has one of its own")
    as_of: str | None = Field(description="of everybody's usage: when it was last added up; null otherwise")

    @classmethod
    def of(cls, usage: Usage) -> "UsageResponse":
        total = Counts()
        items: list[DayOfModel] = []
        for day in sorted(usage.days, reverse=True):
            for model, counts in sorted(usage.days[day].items()):
                total += counts
                items.append(DayOfModel(day=day, model=model, **_fields(counts)))
        return cls(
            first=usage.first,
            last=usage.last,
            items=items,
            total=CountsResponse(**_fields(total)),
            budget=BudgetResponse.of(usage.budget) if usage.budget else None,
            key_budget=BudgetResponse.of(usage.key_budget) if usage.key_budget else None,
            as_of=rfc3339(usage.as_of) if usage.as_of else None,
        )


def _fields(counts: Counts) -> dict[str, Any]:
    return {
        "requests": counts.requests,
        "input_tokens": counts.input_tokens,
        "cached_tokens": counts.cached_tokens,
        "output_tokens": counts.output_tokens,
        "cost": usd(counts.micro),
        "estimated_requests": counts.estimated,
    }
