"""Writes an index of all pages for language models."""

from pathlib import Path

from sphinx.application import Sphinx


def write_llms_txt(app: Sphinx, error: Exception | None) -> None:
    """Write an index of all pages for language models: ``llms.txt`` (llmstxt.org)."""
    if error is not None or app.builder.format != "html":
        return
    lines = [
        f"# {app.config.project}",
        "",
        f"> {app.config.myst_html_meta['description']}",
        "",
        "This project is not made by MonoCloud.",
        "",
    ]
    address = app.config.html_baseurl.rstrip("/")
    for section in ("tutorials", "how-to", "", "reference", "reference/api", "explanation", "project"):
        lines += [f"## {section or 'more'}", ""]
        for page in sorted(app.env.all_docs):
            if page.rpartition("/")[0] == section and not page.endswith("index"):
                title = app.env.titles[page].astext()
                lines.append(f"- [{title}]({address}{'/' * bool(address)}{page}.html)")
        lines.append("")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Connect the function above."""
    app.connect("build-finished", write_llms_txt)
