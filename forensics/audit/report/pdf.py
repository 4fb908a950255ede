"""The same as PDF (reportlab, without times of its own)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any
from xml.sax.saxutils import escape

from oddpixel.errors import UsageError

from .groups import grouped

WIDE, AID = 400, 230  # points of a picture, of a visual aid


def check_installed() -> None:
    """Before any work. Raises: UsageError where reportlab is missing."""
    if find_spec("reportlab") is None:
        raise UsageError("PDF reports need reportlab: pip install 'oddpixel[pdf]'")


def pdf(record: Mapping[str, Any], custody: Mapping[str, Any], pictures: Mapping[str, bytes]) -> bytes:
    """The report as a PDF document; arguments as for `page.page`. Raises: UsageError where reportlab is missing."""
    check_installed()
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer

    styles = getSampleStyleSheet()
    styles["BodyText"].splitLongWords = 1
    parts: list[Any] = []

    def say(text: object, style: str = "BodyText") -> None:
        parts.append(Paragraph(_plain(str(text)), styles[style]))

    def picture(name: str, wide: int = WIDE) -> None:
        """Below the words that it belongs to, on the same page."""
        parts.append(KeepTogether([parts.pop(), Spacer(1, 4), _picture(pictures[name], wide), Spacer(1, 10)]))

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
        first, second = ratio["propositions"]
        say(f"Likelihood ratio {ratio['value']:.2g} ({ratio['words']}), bounded to {low:.2g} to {high:.2g}.")
        say(f"First proposition: {first}. Second: {second}.")
    say(f"Power: {verdict['power']}. No result here says that an image is authentic.")
    if record["pictures"]:
        say(f"{record['pictures']}.")
    else:
        picture("image")
    if timeline := record.get("timeline"):
        say("Time line", "Heading2")
        for event in timeline["events"]:
            say(
                f"{event['check']}: frames {event['first']} to {event['last']}, from {event['start_s']:.2f} s; {event['because']}"
            )
        for shot in timeline["shots"]:
            when = f"{shot['start_s']:.2f} to {shot['end_s']:.2f} s"
            say(f"Shot, frames {shot['first']} to {shot['last']} ({when}): {shot['label']}; {shot['because']}")
    if record["faces"]:
        say("Faces, judged by the tests of the whole picture where they point", "Heading2")
        for number, face in enumerate(record["faces"], 1):
            top, left, bottom, right = face["box"]
            where = f"rows {top} to {bottom}, columns {left} to {right}"
            say(f"Face {number} ({where}): {face['label']}; {face['because']}")
    for group in grouped(record["findings"]):
        say(group.title, "Heading2")
        say(group.explanation if group.findings else "None has a known rate of false alarms on images of this kind.")
        for finding in group.findings:
            status = "seen" if finding["status"] == "evidence" and not group.is_evidence else finding["status"]
            say(f"{finding['check']}: {status}", "Heading4")
            numbers = [f"{name} {finding[name]:.4g}" for name in ("p_value", "log10_nfa") if finding[name] is not None]
            say("; ".join(filter(None, [finding["because"], *numbers, finding["reliability"], finding["limits"]])))
            if finding["map"]:
                picture(finding["map"])
    if record["sensitivity"]:
        say("Sensitivity: the verdict of the tests on altered copies of this picture", "Heading2")
        for each in record["sensitivity"]:
            p = "" if each["p_value"] is None else f" (p {each['p_value']:.2g})"
            say(f"{each['alteration']}: {each['label']}{p} {', '.join(each['checks'])}")
    say("What the file declares, and how it is built (facts, not evidence)", "Heading2")
    for fact in record["facts"]:
        say(f"{fact['name']}: {fact['value']}" + (f" ({fact['because']})" if fact["because"] else ""))
    if record["aids"]:
        say("Visual aids: no error rate, not in the verdict", "Heading2")
        for aid in record["aids"]:
            say(f"{aid['title']}: {aid['explanation']}")
            picture(aid["picture"], AID)
    for title, name in (("What else could explain it", "innocent_explanations"), ("Not examined", "not_examined")):
        say(title, "Heading2")
        for item in record[name]:
            say(f"- {item}")
    say("To repeat it", "Heading2")
    say(record["reproduce"])
    used = {"oddpixel": record["tool"]["oddpixel"], **record["tool"]["libraries"], **record["tool"]["decoders"]}
    say(", ".join(f"{name} {version or 'absent'}" for name, version in used.items()))
    say(f"Seed {record['seed']}. Calibration SHA-256 {record['calibration_sha256']}.")
    say("Methods", "Heading2")
    for check in record["checks"]:
        say(f"{check['name']} ({check['kind']}): {check['purpose']} {check['reference']}. Needs {check['needs']}.")
    say("Custody", "Heading2")
    for entry in custody["entries"]:
        say(f"{entry['time']} {entry['event']} {entry.get('sha256', '')}")
    file = io.BytesIO()
    SimpleDocTemplate(file, pagesize=A4, invariant=1, title=_plain(f"Audit of {record['item']}")).build(parts)
    return file.getvalue()


def _picture(content: bytes, wide: int) -> Any:
    from reportlab.lib.utils import ImageReader
    from reportlab.platypus import Image

    width, height = ImageReader(io.BytesIO(content)).getSize()
    factor = min(wide / width, 1.2 * wide / height, 1.0)
    return Image(io.BytesIO(content), width * factor, height * factor)


def _plain(text: str) -> str:
    """Text only: reportlab's paragraphs know tags, and its built-in fonts Latin letters."""
    return escape(text.encode("latin-1", "replace").decode("latin-1"))
