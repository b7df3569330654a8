"""Links each mention of an RFC."""

import re

from docutils import nodes
from sphinx.application import Sphinx

RFC = re.compile(r"RFC (\d{3,5})(?: section ([\d.]*\d))?")


def link_rfcs(_app: Sphinx, document: nodes.document) -> None:
    """Link each mention to the RFC, and to its section where one is named."""
    for text in list(document.findall(nodes.Text)):
        ancestors, node = set(), text.parent
        while node is not None:
            ancestors.add(type(node))
            node = node.parent
        if ancestors & {nodes.reference, nodes.literal, nodes.literal_block, nodes.title}:
            continue
        parts, end = [], 0
        for found in RFC.finditer(text):
            number, section = found.groups()
            address = f"https://www.rfc-editor.org/rfc/rfc{number}" + f"#section-{section}" * bool(section)
            parts += [nodes.Text(text[end : found.start()]), nodes.reference("", found[0], refuri=address)]
            end = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def setup(app: Sphinx) -> None:
    """Connect the function above."""
    app.connect("doctree-read", link_rfcs)
