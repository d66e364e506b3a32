"""Announcements over HTTP: what an administrator tells people on the status page."""

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from functions.dependencies import ContainerDep, Cursor, Limit
from shared_code.clock import rfc3339
from shared_code.monitoring.announcements import Announcement, Kind
from shared_code.storage import cursors
from shared_code.web.endpoint import idempotent

from .statistics import AdminCaller
from .uptime import MonitoringCaller

# No control characters but line breaks: the texts also stand in a feed, whose XML can't hold them (XML 1.0, 2.2).
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f-\x9f\ufffe\uffff]+$")
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]*$")]


class AnnouncementRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: Title
    text: Text = Field("", description="plain text; line breaks are kept")
    kind: Kind = "information"


class AnnouncementChange(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: Title | None = None
    text: Text | None = None
    kind: Kind | None = None


class AnnouncementResponse(BaseModel):
    id: str
    kind: Kind
    title: str
    text: str
    created_at: str
    updated_at: str
    closed_at: str | None

    @classmethod
    def of(cls, announcement: Announcement) -> "AnnouncementResponse":
        return cls(
            id=announcement.id,
            kind=announcement.kind,
            title=announcement.title,
            text=announcement.text,
            created_at=rfc3339(announcement.created_at),
            updated_at=rfc3339(announcement.updated_at),
            closed_at=rfc3339(announcement.closed_at) if announcement.closed_at else None,
        )


class AnnouncementList(BaseModel):
    items: list[AnnouncementResponse]
    next_cursor: str | None


def add_routes(router: APIRouter) -> None:
    path = "/api/monitoring/announcements"
    router.post(path, name="monitoring_create_announcement", status_code=201)(create)
    router.get(path, name="monitoring_list_announcements")(list_announcements)
    router.patch(path + "/{announcement_id}", name="monitoring_update_announcement")(update)
    router.post(path + "/{announcement_id}/close", name="monitoring_close_announcement")(close)


@idempotent
async def create(response: Response, body: AnnouncementRequest, caller: AdminCaller, container: ContainerDep) -> AnnouncementResponse:
    """Tell everybody something: it stands on the status page, and in its feed, until it is closed."""
    made = await container.announcements.post(caller.user_id, kind=body.kind, title=body.title, text=body.text)
    response.headers["Location"] = f"/api/monitoring/announcements/{made.id}"
    return AnnouncementResponse.of(made)


async def list_announcements(
    caller: MonitoringCaller, container: ContainerDep, limit: Limit = 20, cursor: Cursor = None
) -> AnnouncementList:
    """All of them, open and closed, newest first."""
    found = await container.announcements.page(after=cursors.decode(cursor, "announcements"), limit=limit + 1)
    page = found[:limit]
    next_cursor = cursors.encode(page[-1].id, "announcements") if len(found) > limit else None
    return AnnouncementList(items=[AnnouncementResponse.of(each) for each in page], next_cursor=next_cursor)


async def update(announcement_id: str, body: AnnouncementChange, caller: AdminCaller, container: ContainerDep) -> AnnouncementResponse:
    """Change what is given."""
    changes: dict[str, Any] = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
    return AnnouncementResponse.of(await container.announcements.change(caller.user_id, announcement_id, changes))


async def close(announcement_id: str, caller: AdminCaller, container: ContainerDep) -> AnnouncementResponse:
    """It is over: it leaves the head of the page, and stays among what was. Closing again changes nothing."""
    return AnnouncementResponse.of(await container.announcements.close(caller.user_id, announcement_id))
