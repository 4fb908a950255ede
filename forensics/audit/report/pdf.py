"""The same as PDF (reportlab, without times of its own)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from oddpixel.errors import UsageError

WIDE = 460  # points of a picture


def pdf(record: Mapping[str, Any], custody: Mapping[str, Any], pictures: Mapping[str, bytes]) -> bytes:
    """Arguments: as for `page.page`. Raises: UsageError where reportlab is missing."""
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.styles import getSampleStyleSheet
        from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer
    except ImportError as error:
        raise UsageError("PDF reports need reportlab: pip install 'oddpixel[pdf]'") from error
    styles = getSampleStyleSheet()
    styles["BodyText"].splitLongWords = 1
    parts: list[Any] = []

    def say(text: object, style: str = "BodyText") -> None:
        parts.append(Paragraph(_plain(str(text)), styles[style]))

    verdict = record["verdict"]
    say(f"Audit of {record['item']}", "Title")
    say(f"Case {record['case']}" if record["case"] else "No case named")
    say(f"SHA-256 {record['sha256']}; {record['bytes']} bytes")
    say(f"Verdict: {verdict['label']}", "Heading2")
    for reason in verdict["because"]:
        say(f"- {reason}")
    if verdict["p_value"] is not None:
        p = "below 1e-6" if verdict["p_value"] < 1e-6 else f"{verdict['p_value']:.2g}"
        say(f"p {p} over all tests that count (Holm), level {verdict['alpha']:g}.")
    if ratio := verdict["likelihood_ratio"]:
        low, high = ratio["bound"]
        say(f"Likelihood ratio {ratio['value']:.2g} ({ratio['words']}), bounded to {low:.2g} to {high:.2g}. First: ")
        say(f"{ratio['propositions'][0]}. Second: {ratio['propositions'][1]}.")
    say(f"Power: {verdict['power']}. No result here says that an image is authentic.")
    parts += [Spacer(1, 8), _picture(pictures["image"])]
    say("Tests", "Heading2")
    for finding in record["findings"]:
        about = " (processing history)" if finding["about"] == "history" else ""
        say(f"{finding['check']}: {finding['status']}{about}", "Heading4")
        numbers = [f"{name} {finding[name]:.4g}" for name in ("p_value", "log10_nfa") if finding[name] is not None]
        say("; ".join(filter(None, [finding["because"], *numbers, finding["reliability"], finding["limits"]])))
        if finding["map"]:
            parts.append(_picture(pictures[finding["map"]]))
    say("What the file declares, and how it is built (facts, not evidence)", "Heading2")
    for fact in record["facts"]:
        say(f"{fact['name']}: {fact['value']}" + (f" ({fact['because']})" if fact["because"] else ""))
    if record["aids"]:
        say("Visual aids: no error rate, not in the verdict", "Heading2")
        for aid in record["aids"]:
            say(f"{aid['title']}: {aid['explanation']}")
            parts.append(_picture(pictures[aid["picture"]]))
    for title, name in (("What else could explain it", "innocent_explanations"), ("Not examined", "not_examined")):
        say(title, "Heading2")
        for each in record[name]:
            say(f"- {each}")
    say("To repeat it", "Heading2")
    say(record["reproduce"])
    say(f"OddPixel {record['tool']['oddpixel']}; {record['tool']['libraries']}; decoders {record['tool']['decoders']}")
    say("Custody", "Heading2")
    for entry in custody["entries"]:
        say(f"{entry['time']} {entry['event']} {entry.get('sha256', '')}")
    file = io.BytesIO()
    SimpleDocTemplate(file, pagesize=A4, invariant=1, title=_plain(f"Audit of {record['item']}")).build(parts)
    return file.getvalue()


def _picture(content: bytes) -> Any:
    from reportlab.lib.utils import ImageReader
    from reportlab.platypus import Image

    width, height = ImageReader(io.BytesIO(content)).getSize()
    factor = min(WIDE / width, 1.2 * WIDE / height, 1.0)
    return Image(io.BytesIO(content), width * factor, height * factor)


def _plain(text: str) -> str:
    """Text only: reportlab's paragraphs know tags, and its built-in fonts Latin letters."""
    return escape(text.encode("latin-1", "replace").decode("latin-1"))
