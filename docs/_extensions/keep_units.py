"""Keeps a figure and its unit on one line."""

import re

from docutils import nodes
from sphinx.application import Sphinx

SPACE = re.compile(r"(?<=\d) (?=(?:bits|bytes|hours|KiB|MiB|minutes|ms|px|requests|s|seconds|times|us|µs)\b)")


def keep_units(_app: Sphinx, document: nodes.document) -> None:
    """Replace the space between them with a no-break space, except in code."""
    for text in list(document.findall(nodes.Text)):
        kept = SPACE.sub("\N{NO-BREAK SPACE}", text)
        if kept != text and not isinstance(text.parent, (nodes.literal, nodes.literal_block)):
            text.parent.replace(text, nodes.Text(kept))


def setup(app: Sphinx) -> None:
    """Connect the function above."""
    app.connect("doctree-read", keep_units)
