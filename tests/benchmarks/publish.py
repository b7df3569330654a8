"""Writes the figures of a run for the documentation: bar charts, and tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from .bare import BARE
from .charts import Bars, draw_chart
from .contenders import OURS
from .processes import ROOT
from .report import render_value
from .serving import SERVERS

__all__ = ["publish"]

DOCS: Final = ROOT / "docs"
ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
NOTICE: Final = "% Written by `make bench ARGS=--publish`; changes by hand are lost.\n"
PEERS: Final = ("PyJWT", "joserfc", "Authlib")
ADAPTERS: Final = ("WSGI", "ASGI", "Flask", "Django")
LIBRARIES: Final = ("cryptography", "pyjwt", "joserfc", "authlib", "uvicorn", "gunicorn", "flask")


def publish(results: Path) -> None:
    """Write ``docs/images/speed-*.svg`` and the tables in ``docs/measured``.

    Raises:
        SystemExit: there are no figures of everything.
    """
    try:
        document = json.loads(results.read_text(encoding="utf-8"))
        sections = {section["name"]: section for section in document["sections"]}
        charts = list(_charts(sections))
    except (OSError, KeyError) as error:
        raise SystemExit("measure everything first: make bench") from error
    for name, image in charts:
        (DOCS / "images" / f"speed-{name}.svg").write_text(image, encoding="utf-8")
    tables = {"claims": _claims(document), "figures": _figures(document), "summary": _summary(sections)}
    for name, lines in tables.items():
        (DOCS / "measured" / f"{name}.md").write_text("\n".join([NOTICE, *lines, ""]), encoding="utf-8")


def _charts(sections: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    groups = [Bars(algorithm, tuple(_bars(sections[f"new-{algorithm}"]))) for algorithm in ALGORITHMS]
    note = f"Processor time for one token, as a multiple of {BARE}. Less is better."
    yield "new", draw_chart("A new token, all checks", note, groups, ours=OURS)

    repeated = Bars("RS256", tuple(_bars(sections["repeated"])))
    note = f"Processor time for one token, as a multiple of {OURS}. Less is better."
    yield (
        "repeated",
        draw_chart("A repeated token, all checks of a request", note, [repeated], ours=OURS),
    )

    servers = [Bars(name, tuple(_bars(sections[f"serving-{name.replace(' ', '-')}"]))) for name in SERVERS]
    note = "Requests a second, as a multiple of the bare application. More is better."
    yield "serving", draw_chart("A small application behind a real server", note, servers, ours="protected")

    opaque = Bars("200 tokens, each answered for after 50 ms", tuple(_bars(sections["opaque"], in_full=True)))
    note = "Time for each token. Less is better."
    yield "opaque", draw_chart("Opaque tokens, on one event loop", note, [opaque], ours="200 at once")


def _bars(section: Mapping[str, Any], *, in_full: bool = False) -> Iterator[tuple[str, float, str]]:
    """Yield the bars of a section, as multiples of the first or as they are."""
    for found in section["measurements"]:
        if in_full:
            yield found["name"], found["median"], render_value(found["median"], found["unit"])
        else:
            yield found["name"], found["ratio"], f"{found['ratio']:.2f} x"


def _summary(sections: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables at the top of the page on performance."""

    def median(section: str, who: str) -> str:
        found = [each for each in sections[section]["measurements"] if each["name"] == who]
        return render_value(found[0]["median"], found[0]["unit"]) if found else "-"

    yield from (f"| RS256, one thread, processor time | `{OURS}` | PyJWT |", "| --- | ---: | ---: |")
    for title, section in (("a new token", "new-RS256"), ("a repeated token", "repeated")):
        yield _row(title, median(section, OURS), median(section, "PyJWT"))
    yield from ("", f"| a new token | {' | '.join(ALGORITHMS)} |", "| --- | ---: | ---: | ---: | ---: |")
    for who in (OURS, *PEERS, BARE):
        title = {OURS: f"`{OURS}`", BARE: "signature check alone"}.get(who, who)
        yield _row(title, *(median(f"new-{algorithm}", who) for algorithm in ALGORITHMS))
    yield from ("", "| a request with a repeated token | time added by the check |", "| --- | ---: |")
    for framework in ADAPTERS:
        yield _row(framework, median(f"middleware-{framework}", "added by protection"))


def _claims(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the machine, and the claim about each work."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {machine['libraries'][name]}" for name in LIBRARIES)
    yield (
        f"Measured on {document['measured_at'][:10]} on {machine['cores']} cores of {machine['processor']}, "
        f"{machine['system'].partition('-')[0]}, {machine['python']}, {machine['openssl']}, with {versions}. "
        f"The load of the machine was {machine['load']:.1f} when the run began."
    )
    yield from ("", "| figure | target | measured |", "| --- | --- | --- |")
    for section in document["sections"]:
        for bar in section["bars"]:
            kind = "at_least" if "at_least" in bar else "at_most"
            limit = f"{kind.replace('_', ' ')} {render_value(bar[kind], bar['unit'])}"
            measured = render_value(bar["median"], bar["unit"])
            met = "met" if bar["met"] else "missed"
            yield _row(f"{section['title']}: {bar['claim']}", limit, f"{measured}, {met}")


def _figures(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield every figure: a table for each section, narrow enough for a phone."""
    for section in document["sections"]:
        yield from (f"**{section['title']}**", "")
        yield from ("| who | median | quartiles | ratio |", "| --- | ---: | ---: | ---: |")
        for found in section["measurements"]:
            median, unit = found["median"], found["unit"]
            quartiles = " - ".join(render_value(value, unit, like=median) for value in found["quartiles"])
            ratio = "" if found["ratio"] is None else f"{found['ratio']:.2f}"
            yield _row(found["name"], render_value(median, unit), quartiles, ratio)
        yield ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
