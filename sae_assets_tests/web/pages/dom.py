"""A page as a tree, as much of it as tests ask about: elements by tag and attributes, and the text that is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Element:
    """An element with what is inside it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]

    @property
    def text(self) -> str:
        """All text inside, with runs of white space as one space."""
        return " ".join(self.raw_text.split())

    @property
    def raw_text(self) -> str:
        """All text inside as it stands."""
        return "".join(child if isinstance(child, str) else child.raw_text for child in self.children)

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in the order of the page."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, *tags: str, **attributes: str) -> list[Element]:
        """All elements of these tags with these attributes; `class_` asks for one of the classes."""
        return [one for one in self.walk() if (not tags or one.tag in tags) and _fits(one, attributes)]

    def one(self, *tags: str, **attributes: str) -> Element:
        """The only such element."""
        (found,) = self.all(*tags, **attributes)
        return found

    def link(self, text: str) -> str:
        """Where the only link of this text leads."""
        (found,) = (one for one in self.all("a") if one.text == text)
        return found["href"]


def parsed(html: str) -> Element:
    """The page; raises where an element is not closed in its place."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser.open) == 1, f"<{parser.open[-1].tag}> is never closed"
    return parser.open[0]


class _Parser(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = [Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        closed = self.open.pop()
        while closed.tag == "option" != tag:  # the one element here that need not be closed
            closed = self.open.pop()
        assert closed.tag == tag, f"</{tag}> closes <{closed.tag} {closed.attributes}>"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def _fits(element: Element, attributes: dict[str, str]) -> bool:
    given = element.attributes
    return all(
        value in given.get("class", "").split() if name == "class_" else given.get(name.replace("_", "-")) == value
        for name, value in attributes.items()
    )
