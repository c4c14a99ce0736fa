"""XML file → elements that know their line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from zoox_stack.launching.errors import LaunchFileError, Location


@dataclass(frozen=True)
class Element:
    """One XML element.

    Attributes:
        tag: Name.
        attributes: Name to raw text.
        children: In order.
        location: File and line of its start.
    """

    tag: str
    attributes: dict[str, str]
    children: tuple[Element, ...]
    location: Location


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.open: list[tuple[str, dict[str, str], Location, list[Element]]] = []
        self.root: Element | None = None

    def here(self) -> Location:
        return Location(self.file, self.parser.CurrentLineNumber)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.open.append((tag, attributes, self.here(), []))

    def end(self, _tag: str) -> None:
        tag, attributes, location, children = self.open.pop()
        element = Element(tag, attributes, tuple(children), location)
        if self.open:
            self.open[-1][3].append(element)
        else:
            self.root = element

    def text(self, data: str) -> None:
        if data.strip():
            raise LaunchFileError(
                self.here(), f"text {data.strip()[:40]!r} inside <{self.open[-1][0]}>", "values go into attributes"
            )

    def doctype(self, *_: object) -> None:
        raise LaunchFileError(self.here(), "a DOCTYPE is not allowed", "remove it")


def read_xml(file: Path) -> Element:
    """Read a launch file's elements.

    Raises:
        LaunchFileError: The file cannot be read or is not well-formed XML.
    """
    name = str(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise LaunchFileError(Location(name), f"cannot be read: {error.strerror}") from error
    builder = _Builder(name)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise LaunchFileError(
            Location(name, error.lineno), f"not well-formed XML: {expat.ErrorString(error.code)}"
        ) from error
    except (ValueError, LookupError) as error:  # unknown encoding
        raise LaunchFileError(Location(name), f"not readable as XML: {error}") from error
    if builder.root is None:
        raise LaunchFileError(Location(name), "no element found")
    return builder.root
