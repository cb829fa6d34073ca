"""A Sphinx directive that writes the reference of a command from the help text that the command line prints."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from typer.testing import CliRunner

from rife.cli.app import app

_ENTRY = re.compile(r"^  (\S+(?: \S+)*)(?: {2,}(.*))?$")
"""A name, and the begin of its text; the text goes on in lines that are indented further."""


class CommandReference(Directive):
    """The usage, text, arguments and options of a command: `rife-command:: models show`."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Build a usage line, paragraphs, and a list of arguments and options."""
        words = self.arguments[0].split()
        usage, *sections = re.split(r"\n\n(?=\S)", help_text(words))
        usage, _, text = usage.partition("\n\n")
        usage = usage.replace("Usage: root", "rife").replace("Usage: rife", "rife")
        content: list[nodes.Node] = [nodes.literal_block(usage, usage, language="text")]
        for paragraph in filter(None, text.split("\n\n")):
            content.append(_paragraph(_joined(paragraph)))
        for section in sections:
            title, _, rows = section.partition(":\n")
            entries = [entry for entry in parsed(rows) if entry[0] != "--help"]
            if entries:
                content.append(nodes.rubric(text=title))
                content.append(nodes.definition_list("", *(_item(name, told) for name, told in entries)))
        return content


def help_text(words: list[str]) -> str:
    """What `rife WORDS --help` prints."""
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="rife")
    if result.exit_code:
        raise ValueError(f"rife {' '.join(words)} --help: {result.output}")
    return result.output.rstrip()


def parsed(rows: str) -> list[tuple[str, str]]:
    """Names and texts of a section of a help text."""
    found: list[tuple[str, str]] = []
    for row in rows.splitlines():
        entry = _ENTRY.match(row)
        if entry:
            found.append((entry[1], entry[2] or ""))
        else:
            found[-1] = found[-1][0], f"{found[-1][1]} {row}"
    return [(name, _joined(text)) for name, text in found]


def _joined(text: str) -> str:
    return " ".join(text.split())


def _item(name: str, text: str) -> nodes.definition_list_item:
    term = nodes.term("", "", nodes.literal(text=name))
    return nodes.definition_list_item("", term, nodes.definition("", _paragraph(text)))


def _paragraph(text: str) -> nodes.paragraph:
    """Text with code where it has backticks or names an option."""
    parts = re.split(r"`([^`]+)`|(?<!\w)(--[a-z-]+)", text)
    paragraph = nodes.paragraph()
    for at, part in enumerate(parts):
        if part:
            paragraph += nodes.Text(part) if at % 3 == 0 else nodes.literal(text=part)
    return paragraph


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("rife-command", CommandReference)
    return {"parallel_read_safe": True}
