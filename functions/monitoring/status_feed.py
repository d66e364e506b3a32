"""Incidents and announcements as an RSS 2.0 feed (https://www.rssboard.org/rss-specification)."""

from datetime import datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

from shared_code.monitoring.announcements import Announcement
from shared_code.monitoring.status import Disturbance, Snapshot


def render(snapshot: Snapshot, base_url: str, product: str) -> bytes:
    """The newest first. What is over is an item of its own, with a ``guid`` of its own: readers show no item twice, and that it is
    over is news."""
    link = escape(f"{base_url}/status")
    items = [
        *((each.updated_at, _announcement(each, link)) for each in snapshot.announcements),
        *((each.updated_at, _disturbance(each, link)) for each in snapshot.disturbances),
    ]
    items.sort(key=lambda pair: pair[0], reverse=True)
    built = items[0][0] if items else snapshot.at.replace(hour=0, minute=0, second=0, microsecond=0)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">
<channel>
<title>{escape(product)} status</title>
<link>{link}</link>
<description>Incidents and announcements of the last 30 days</description>
<lastBuildDate>{format_datetime(built)}</lastBuildDate>
<ttl>1</ttl>
<atom:link rel="self" type="application/rss+xml" href={quoteattr(f"{base_url}/status/feed.xml")}/>
{"".join(text for _, text in items)}</channel>
</rss>
""".encode()


def _disturbance(each: Disturbance, link: str) -> str:
    labels = ", ".join(each.labels)
    if each.ended_at is None:
        return _item(f"incident:{each.id}", f"{labels}: does not work", each.updated_at, f"Since {_clock(each.started_at)}.", link)
    text = f"It did not work from {_clock(each.started_at)} to {_clock(each.ended_at)}."
    return _item(f"incident:{each.id}:over", f"{labels}: works again", each.updated_at, text, link)


def _announcement(each: Announcement, link: str) -> str:
    over, title = (":over", f"Closed: {each.title}") if each.closed_at else ("", each.title)
    return _item(f"announcement:{each.id}{over}", title, each.updated_at, each.text or each.title, link)


def _item(identifier: str, title: str, moment: datetime, text: str, link: str) -> str:
    # The description is HTML to readers, so what is text is escaped once for it and once for XML.
    return f"""<item>
<guid isPermaLink="false">urn:lydian:{escape(identifier)}</guid>
<title>{escape(title)}</title>
<pubDate>{format_datetime(moment)}</pubDate>
<link>{link}</link>
<description>{escape(escape(text))}</description>
</item>
"""


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
