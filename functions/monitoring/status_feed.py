"""Incidents and announcements as an Atom feed (RFC 4287)."""

from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from shared_code.monitoring.announcements import Announcement
from shared_code.monitoring.status import Disturbance, Snapshot


def render(snapshot: Snapshot, base_url: str, product: str) -> bytes:
    """The newest first. An entry keeps its id: what has ended is the same entry with a later date."""
    entries = [
        *((each.updated_at, _announcement(each)) for each in snapshot.announcements),
        *((each.updated_at, _disturbance(each)) for each in snapshot.disturbances),
    ]
    entries.sort(key=lambda pair: pair[0], reverse=True)
    updated = entries[0][0] if entries else snapshot.at.replace(hour=0, minute=0, second=0, microsecond=0)
    page = quoteattr(f"{base_url}/status")
    body = "".join(text.replace("{link}", page) for _, text in entries)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<id>{escape(base_url)}/status</id>
<title>{escape(product)} status</title>
<updated>{_moment(updated)}</updated>
<author><name>{escape(product)}</name></author>
<link rel="alternate" type="text/html" href={page}/>
<link rel="self" type="application/atom+xml" href={quoteattr(f"{base_url}/status/feed.xml")}/>
{body}</feed>
""".encode()


def _disturbance(each: Disturbance) -> str:
    labels = ", ".join(each.labels)
    if each.ended_at is None:
        title, text = f"{labels}: does not work", f"Since {_clock(each.started_at)}."
    else:
        title, text = f"{labels}: works again", f"It did not work from {_clock(each.started_at)} to {_clock(each.ended_at)}."
    return _entry(f"incident:{each.id}", title, each.started_at, each.updated_at, text)


def _announcement(each: Announcement) -> str:
    title = f"Closed: {each.title}" if each.closed_at else each.title
    return _entry(f"announcement:{each.id}", title, each.created_at, each.updated_at, each.text or each.title)


def _entry(identifier: str, title: str, published: datetime, updated: datetime, text: str) -> str:
    return f"""<entry>
<id>urn:lydian:{escape(identifier)}</id>
<title>{_text(title)}</title>
<published>{_moment(published)}</published>
<updated>{_moment(updated)}</updated>
<link rel="alternate" type="text/html" href={{link}}/>
<content type="text">{_text(text)}</content>
</entry>
"""


def _text(text: str) -> str:
    # Braces would be taken for the link's place.
    return escape(text, {"{": "&#123;", "}": "&#125;"})


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
