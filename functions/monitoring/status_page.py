"""The status page for people (SPEC §9): HTML and CSS without a script, and the same as a feed."""

import html
from collections.abc import Sequence
from datetime import date, datetime

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from functions.common import pages
from functions.dependencies import BaseUrl, ContainerDep
from shared_code.monitoring.announcements import Announcement
from shared_code.monitoring.status import Component, Day, Disturbance, Snapshot

from . import status_feed

OVERALL = {
    "ok": "Everything works",
    "degraded": "Not everything works",
    "down": "Nothing works at the moment",
    "no_data": "We do not know at the moment",
}
UNREADABLE = "Our storage does not answer: most of what you do here will fail. We cannot show what was before."
STATES = {"ok": "Works", "degraded": "Disturbed", "down": "Does not work", "no_data": "No data"}
DAYS = {"ok": "no failure", "degraded": "disturbed", "down": "outage", "no_data": "no data"}
KINDS = {"information": "Announcement", "maintenance": "Maintenance", "incident": "Incident"}
WORST = 5
"""Days with failures that a bar's text names; a table has all."""


def add_routes(router: APIRouter) -> None:
    router.get("/status", name="monitoring_show_status", response_class=HTMLResponse)(status)
    router.get("/status/feed.xml", name="monitoring_show_feed", response_class=Response)(feed)


async def status(container: ContainerDep) -> Response:
    """How everything is, and was in the last 90 days. 503, with the page, when even that cannot be read."""
    snapshot = await container.status_page.snapshot()
    answer = pages.page(
        f"{container.settings.sendgrid_from_name} status",
        _body(snapshot, container.settings.sendgrid_from_name),
        styles=("status.css",),
        head='<link rel="alternate" type="application/rss+xml" title="Incidents and announcements" href="/status/feed.xml">',
        headers={"Cache-Control": "public, max-age=15" if snapshot.readable else "no-store"},
    )
    answer.status_code = 200 if snapshot.readable else 503
    return answer


async def feed(base_url: BaseUrl, container: ContainerDep) -> Response:
    """Incidents and announcements of the last 30 days, as RSS 2.0."""
    snapshot = await container.status_page.snapshot()
    if not snapshot.readable:
        return Response("Storage does not answer.\n", 503, {"Retry-After": "60", "Cache-Control": "no-store"}, "text/plain; charset=utf-8")
    return Response(
        status_feed.render(snapshot, base_url, container.settings.sendgrid_from_name),
        headers={"Cache-Control": "public, max-age=60"},
        media_type="application/rss+xml",
    )


def _body(snapshot: Snapshot, product: str) -> str:
    state = snapshot.state
    now = [*map(_disturbance, snapshot.current), *map(_announcement, snapshot.open)]
    was = sorted(
        [
            *((each.updated_at, _announcement(each)) for each in snapshot.closed),
            *((each.started_at, _disturbance(each)) for each in snapshot.past),
        ],
        key=lambda pair: pair[0],
        reverse=True,
    )
    parts = [
        f"<h1>{html.escape(product)} status</h1>",
        f'<p class="overall {state}"><b>{UNREADABLE if not snapshot.readable else OVERALL[state]}</b></p>',
        f'<p class="hint">As of {_moment(snapshot.at)}. Looked at every minute. <a href="/status/feed.xml">Feed</a></p>',
    ]
    if now:
        parts.append(f"<h2>Now</h2>{''.join(now)}")
    if snapshot.components:
        parts.append(f'<h2>Services</h2><ul class="components">{"".join(map(_component, snapshot.components))}</ul>{LEGEND}')
    elif snapshot.readable:
        parts.append("<p>Nothing has been looked at yet: come back in a minute.</p>")
    if snapshot.readable:
        past = "".join(text for _, text in was) or "<p>Nothing happened in the last 30 days.</p>"
        parts.append(f"<h2>The last 30 days</h2>{past}")
    return "\n".join(parts)


TABLE = "<table><tr><th>day</th><th>did not work</th></tr>"
LEGEND = (
    '<p class="legend" aria-hidden="true">'
    + "".join(
        f'<span><i class="{state}"></i>{text}</span>'
        for state, text in (("ok", "no failure"), ("degraded", "under 30 minutes"), ("down", "30 minutes or more"), ("no_data", "no data"))
    )
    + "</p>"
)


def _component(component: Component) -> str:
    failed = [day for day in component.days if day.down_minutes]
    bars = "".join(f'<i class="{day.state}" title="{_day(day)}"></i>' for day in component.days)
    known = sum(day.state != "no_data" for day in component.days)
    # Not of 90 days before there were 90: a percentage of this morning is not one of a quarter.
    uptime = "no data yet" if component.uptime is None else f"{_percent(component.uptime)} in {known} {'day' if known == 1 else 'days'}"
    table = ""
    if failed:
        rows = "".join(f"<tr><td>{_date(day.date)}</td><td>{_minutes(day.down_minutes)}</td></tr>" for day in reversed(failed))
        table = f"<details><summary>Days with failures ({len(failed)})</summary>{TABLE}{rows}</table></details>"
    state = f'<span class="state {component.state}">{STATES[component.state]}</span>'
    return f"""<li><div class="head"><h3>{html.escape(component.label)}</h3>{state}</div>
<div class="bars" role="img" aria-label="{html.escape(_summary(component, failed))}">{bars}</div>
<div class="ends"><span>90 days ago</span><span>{uptime}</span><span>today</span></div>{table}</li>"""


def _summary(component: Component, failed: Sequence[Day]) -> str:
    """What the bars show, in words."""
    blank = sum(day.state == "no_data" for day in component.days)
    parts = [
        f"{component.label}, the last 90 days:",
        "no data." if component.uptime is None else f"worked {_percent(component.uptime)} of the time.",
    ]
    if failed:
        worst = sorted(failed, key=lambda day: day.down_minutes, reverse=True)[:WORST]
        named = ", ".join(f"{_date(day.date)} {_minutes(day.down_minutes)}" for day in worst)
        parts.append(
            f"Failures on {len(failed)} {'day' if len(failed) == 1 else 'days'}{', the longest' if len(failed) > WORST else ''}: {named}."
        )
    if blank and component.uptime is not None:
        parts.append(f"No data on {blank} {'day' if blank == 1 else 'days'}.")
    return " ".join(parts)


def _disturbance(each: Disturbance) -> str:
    labels, began = " · ".join(map(html.escape, each.labels)), _moment(each.started_at)
    if each.ended_at is None:
        return f'<article class="event down"><h3>{labels}: does not work</h3><p>Since {began}.</p></article>'
    lasted = _minutes(max(1, round((each.ended_at - each.started_at).total_seconds() / 60)))
    same_day = each.ended_at.date() == each.started_at.date()
    times = f"From {began} to {_moment(each.ended_at, day=not same_day)}."
    return f'<article class="event"><h3>{labels}: did not work for {lasted}</h3><p>{times}</p></article>'


def _announcement(each: Announcement) -> str:
    text = "".join(f"<p>{html.escape(line)}</p>" for line in each.text.split("\n") if line.strip())
    ended = f" Closed {_moment(each.closed_at)}." if each.closed_at else ""
    changed = f" Changed {_moment(each.updated_at)}." if each.updated_at > each.created_at and not each.closed_at else ""
    mark = "" if each.closed_at else f" {each.kind}"
    return (
        f'<article class="event{mark}"><h3>{html.escape(each.title)}</h3>{text}'
        f'<p class="hint">{KINDS[each.kind]}, {_moment(each.created_at)}.{changed}{ended}</p></article>'
    )


def _day(day: Day) -> str:
    failed = f", {_minutes(day.down_minutes)}" if day.down_minutes else ""
    return f"{_date(day.date)}: {DAYS[day.state]}{failed}"


def _percent(uptime: float) -> str:
    """At most two decimals, never rounded up: 99.999 is not 100."""
    return f"{int(uptime * 100) / 100:g} %"


def _minutes(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{rest} min"] if rest or not hours else [])])


def _date(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _moment(moment: datetime, *, day: bool = True) -> str:
    shown = f"{_date(moment.date())}, " if day else ""
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{shown}{moment:%H:%M} UTC</time>'
