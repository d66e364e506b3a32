"""The operator page's HTML and what it loads; what its scripts do is looked at in a browser (tests/e2e)."""

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from functions.common.assets import FOLDER
from functions.monitoring.operator_page import PANELS
from tests.unit.apps import make_app


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, tag: str, attribute: str) -> list[str]:
        return [str(found[attribute]) for name, found in self.tags if name == tag and attribute in found]


async def fetched() -> tuple[httpx.Response, Page]:
    async with make_app().client() as client:
        answer = await client.get("/monitor")
        assert (await client.head("/monitor")).headers["content-length"] == answer.headers["content-length"]
    return answer, Page(answer.text)


async def test_nothing_is_inline_and_nothing_is_from_elsewhere() -> None:
    answer, page = await fetched()
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-cache"
    for tag, attributes in page.tags:
        assert not any(name == "style" or name.startswith("on") for name in attributes), tag
        assert tag != "style"
        assert tag != "script" or attributes["src"]
    assert "http" not in answer.text


async def test_everything_it_loads_is_there_and_may_be_kept() -> None:
    _, page = await fetched()
    names = [*page.values("script", "src"), *page.values("link", "href")]
    assert len(names) == 6
    async with make_app().client() as client:
        while names:
            loaded = await client.get(names.pop())
            assert loaded.status_code == 200
            assert "immutable" in loaded.headers["cache-control"]
            # Modules load each other by names beside their own, so under the same version.
            folder = loaded.request.url.path.rpartition("/")[0]
            found = [f"{folder}/{name}" for name in re.findall(r'^import .* from "\./([\w.-]+)"', loaded.text, re.M)]
            names += found


async def test_it_can_be_read_by_a_screen_reader() -> None:
    _, page = await fetched()
    ids = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = set(page.values("label", "for"))
    assert {str(attributes["id"]) for tag, attributes in page.tags if tag == "input"} == labelled
    assert set(page.values("section", "aria-labelledby")) <= set(ids)
    assert {link.removeprefix("#") for link in page.values("a", "href")} == {name for name, _, _ in PANELS}
    assert page.values("html", "lang") == ["en"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("monitor*.js")), ids=lambda path: path.name)
def test_scripts_make_no_markup_of_text_and_keep_tokens_in_the_tab(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|localStorage|document\.cookie", text)
    assert len(text.splitlines()) < 300
