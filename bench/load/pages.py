"""What a browser reads out of our pages: forms and what stands in them. Standard library only: it runs in locust."""

from __future__ import annotations

from html.parser import HTMLParser


class Form:
    """One form of a page: where it goes, and the fields that are filled already."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.action = attributes.get("action", "")
        self.name = attributes.get("id", "")
        self.fields: list[tuple[str, str]] = []


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(found)
            self.forms.append(self._open)
        elif self._open and found.get("name") and (tag == "button" or found.get("type") == "hidden"):
            self._open.fields.append((found["name"], found.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def forms_of(page: str) -> list[Form]:
    """All forms of the page, in its order."""
    reader = _Reader()
    reader.feed(page)
    return reader.forms


def between(page: str, before: str, after: str) -> str:
    """What stands between two marks; empty where the first is missing."""
    return page.partition(before)[2].partition(after)[0]
