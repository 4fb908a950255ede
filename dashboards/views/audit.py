"""Audit: suspected manipulations. Files in, every check as it begins, and one report a file: verdict, findings, facts, maps.

Whatever comes out of a file or a report is escaped and shown as text.
"""

from __future__ import annotations

import contextlib
import html
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from oddpixel.dashboards.components import component
from oddpixel.dashboards.forms import fresh, images, place_of, run_of, show_job, start
from oddpixel.dashboards.library import OpenRun
from oddpixel.dashboards.report_routes import STORED, parts, read_report, stored
from oddpixel.dashboards.roles import LEAD, READER
from oddpixel.dashboards.site import the_site
from oddpixel.dashboards.visit import (
    author,
    blind_items,
    failed,
    labels,
    may,
    plain,
    quiet,
    reads_blindly,
    table_of,
    ticket,
)
from oddpixel.errors import OddPixelError, UnreadableInput, UsageError
from oddpixel.forensics.audit.checks import checks
from oddpixel.forensics.audit.facts.fact import printable
from oddpixel.forensics.audit.labels import Label
from oddpixel.forensics.runs.rows import Row

MOST_ITEMS = 2000
JOBS_SHOWN = 3
CHECKS_A_ROW = 4
TONES: dict[str, str] = {
    Label.MANIPULATION: "bad",
    Label.ANOMALOUS: "unsure",
    Label.DECLARED_SYNTHETIC: "unsure",
    Label.INCONCLUSIVE: "unsure",
}
# Of tests that do not count, by what they are about.
GROUPS = {
    "manipulation": (
        "Tests that do not count",
        "On images of this kind they find manipulations no better than plain error level does, or they do not apply.",
    ),
    "anomaly": ("Unlike photographs", "For a cause that is not known; it counts for nothing."),
    "history": ("Processing history", "What was done to the image as a whole; no evidence of manipulation."),
}
ORDER = ("evidence", "no-evidence", "error", "not-applicable")
STYLE = """<style>
  .oddpixel-verdict, .oddpixel-finding { --edge: color-mix(in srgb, currentColor 18%, transparent); overflow-wrap: anywhere }
  .oddpixel-verdict { border: 1px solid var(--edge); border-left: 5px solid #6b7280; border-radius: 6px; padding: .7rem 1rem }
  .oddpixel-verdict.bad { border-left-color: #c0392b }
  .oddpixel-verdict.unsure { border-left-color: #c77700 }
  .oddpixel-verdict b { font-size: 1.2rem }
  .oddpixel-verdict ul { margin: .3rem 0; padding-left: 1.2rem }
  .oddpixel-verdict p, .oddpixel-finding p { margin: .25rem 0 }
  .oddpixel-finding { border-top: 1px solid var(--edge); padding: .5rem 0 }
  .oddpixel-finding small { font-size: .85rem; opacity: .75 }
  .oddpixel-status { border: 1px solid currentColor; border-radius: 4px; font-size: .8rem; margin-left: .4rem; opacity: .75;
    padding: 0 .35rem; white-space: nowrap }
  .oddpixel-status.bad { color: light-dark(#b3261e, #ff8a80); font-weight: 600; opacity: 1 }
</style>"""


def audit_form() -> None:
    """The form for a new audit: images, checks, alpha, case id, PDF."""
    if not may(LEAD, "Starting an audit"):
        return
    with st.form("audit", border=False, enter_to_submit=False):
        given = images("audit", "Suspected images")
        quiet("Checks")
        rows = [st.columns(CHECKS_A_ROW) for _ in range(-(-len(checks()) // CHECKS_A_ROW))]
        cells = [cell for row in rows for cell in row]
        chosen = [
            name
            for cell, (name, check) in zip(cells, checks().items(), strict=False)
            if cell.checkbox(name, value=True, help=check.purpose, key=f"check-{name}")
        ]
        left, middle, right = st.columns(3, vertical_alignment="bottom")
        alpha = left.number_input(
            "Rate of false alarms (alpha)", 0.001, 0.5, 0.05, step=0.01, format="%.3f", key="audit-alpha"
        )
        case = middle.text_input("Case id (may stay empty)", max_chars=60, key="audit-case")
        with_pdf = right.checkbox("Also a PDF of each report", key="audit-pdf")
        if st.form_submit_button("Audit", type="primary"):
            try:
                ask(given, chosen, alpha, case.strip(), with_pdf)
            except OddPixelError as error:
                failed(error)


def ask(given: Any, chosen: list[str], alpha: float, case: str, with_pdf: bool) -> None:
    """Start an audit of uploads or a folder as a job. Raises: UsageError, RunError."""
    if not chosen:
        raise UsageError("choose at least one check")
    place = place_of(given)
    uploaded = [file.name for file in given[0]]
    title = case or (uploaded[0] if len(uploaded) == 1 else f"{len(uploaded)} files" if uploaded else place.name)
    out = fresh("runs", f"audit-{case}" if case else "audit")
    command = ["audit", str(place), "-o", str(out), "--alpha", f"{alpha:g}", f"--examiner={author()}"]
    command += [f"--case={case}"] if case else []
    command += ["--checks", ",".join(chosen)] if len(chosen) < len(checks()) else []
    job = start(f"audit {title}", command + (["--pdf"] if with_pdf else []), out)
    st.session_state["audit-awaited"] = job.path.name


@st.fragment(run_every=1.0)
def jobs() -> None:
    """The audits in progress, refreshed every second.

    The report that this visitor waits for is opened when it is there.
    """
    audits = [job for job in the_site().jobs.all()[:50] if job.record["command"][1:2] == ["audit"]]
    for job in audits[:JOBS_SHOWN]:
        show_job(job)
    awaited = next((job for job in audits if job.path.name == st.session_state.get("audit-awaited")), None)
    if awaited is None or awaited.state == "running":
        return
    del st.session_state["audit-awaited"]
    if (run := run_of(awaited)) is not None:
        st.session_state.pop("job", None)  # its log may fold now
        st.query_params.from_dict({"run": run.key})
        st.rerun()


def audited_runs() -> list[OpenRun]:
    """All audit runs of the library."""
    return [run for run in the_site().library.runs() if run.run.record["kind"] == "audit"]


def chosen(where: Any, what: str, name: str, options: dict[str, str]) -> str:
    """One of the options, by name: what the address asks for, else the first. The address follows the choice."""
    requested = st.query_params.get(name)
    if requested not in options:
        if requested is not None:
            st.warning(f"The {name} in this address was not found; the first one is shown instead.")
        requested = next(iter(options))
    key = f"audit-{name}"
    st.session_state[key] = requested

    def follow() -> None:
        kept = {} if name == "run" else {"run": st.query_params["run"]}
        st.query_params.from_dict(kept | {name: st.session_state[key]})

    where.selectbox(what, list(options), key=key, format_func=lambda option: options[option], on_change=follow)
    st.query_params[name] = requested
    return str(requested)


def reports(runs: list[OpenRun]) -> None:
    """The choice of a run and a file, and that file's report."""
    by_key = {run.key: run for run in runs}
    if "run" not in st.query_params and st.session_state.get("run") in by_key:
        st.query_params["run"] = st.session_state["run"]
    key = chosen(st.sidebar, "Run", "run", labels(runs))
    st.session_state["run"] = key
    run = by_key[key]
    rows = {row.item: row for row in run.table.page(order_by="raw", descending=True, limit=MOST_ITEMS)}
    if (requested := st.query_params.get("item")) is not None and requested not in rows:
        with contextlib.suppress(OddPixelError):  # `chosen` says so
            rows |= {requested: run.row(requested)}
    if not rows:
        st.info("No file of this run has been audited yet.")
        return
    blind = blind_items(run)
    if st.query_params.get("item") in blind or blind >= rows.keys():
        reads_blindly(run, "Nothing is told of this item")
        return
    rows = {item: row for item, row in rows.items() if item not in blind}
    item = gallery(run, rows)
    row = rows[item]
    if row.error is not None:
        st.subheader("Not read")
        plain(f"{printable(item)}: {row.error.message}")
        return
    show(run, row, read_report(run, row))


def gallery(run: OpenRun, rows: dict[str, Row]) -> str:
    """The files of a run as cards, each with what was found; the item that the address or a click names, else the first."""
    item = st.query_params.get("item")
    if item not in rows:
        if item is not None:
            st.warning("The item in this address was not found; the first one is shown instead.")
        item = next(iter(rows))
        st.query_params["item"] = item
    counts = Counter(short(row) for row in rows.values())
    plain("; ".join(f"{count} {name}" for name, count in counts.items()))
    if len(rows) > 1:
        component("gallery")(
            data={"label": "Files of this run", "current": item, "cards": [card(run, row) for row in rows.values()]},
            key=f"gallery-{run.key}",
            on_open_change=lambda: follow(run, st.session_state[f"gallery-{run.key}"].get("open")),
        )
    return str(item)


def follow(run: OpenRun, item: str | None) -> None:
    """The address of the file that a visitor has chosen."""
    if item is not None:
        st.query_params.from_dict({"run": run.key, "item": item})


def card(run: OpenRun, row: Row) -> dict[str, Any]:
    """A file as the gallery shows it."""
    name = None if row.thumbnail is None else urlencode({"name": Path(row.thumbnail).stem})
    return {
        "key": row.item,
        "name": printable(row.item),
        "verdict": short(row),
        "tone": TONES.get(short(row), ""),
        "picture": None if name is None else f"/oddpixel/runs/{run.key}/thumbnail?{name}",
    }


def short(row: Row) -> str:
    """The label of a row's verdict, as the run's table has it."""
    if row.error is not None:
        return "not read"
    return "no verdict" if row.reason is None else row.reason.because.partition(":")[0]


def show(run: OpenRun, row: Row, report: dict[str, Any]) -> None:
    """One report: the verdict, the pictures, tests that count and tests that do not, facts and downloads."""
    gate = report["gate"]
    case = f"Case {report['case']}. " if report["case"] else ""
    st.html(f"<h3>{text(printable(row.item))}</h3>")
    verdict(report["verdict"])
    quiet(f"{case}{gate['width']} x {gate['height']} pixels, {gate['container'] or 'unknown'}, {report['bytes']} bytes")
    pictures(run, row, report)
    if "timeline" in report:
        timeline(report["timeline"])
    if report.get("faces"):
        faces(report["faces"])
    downloads(run, row)
    left, right = st.columns(2, gap="large")
    with left:
        counting = [record for record in report["findings"] if record["counts"]]
        findings(
            "Tests that count", "Their rates of false alarms were measured on authentic images of this kind.", counting
        )
        facts(report)
    with right:
        others = [record for record in report["findings"] if not record["counts"]]
        for about, (title, meaning) in GROUPS.items():
            findings(title, meaning, [record for record in others if record["about"] == about])
    with st.expander("Innocent explanations, what was not examined, how to repeat it"):
        bounds(report)


def faces(records: list[dict[str, Any]]) -> None:
    """Each face with its own verdict, and where it is."""
    st.html("<h4>Faces</h4>")
    quiet("Each face, judged by the tests of the whole picture where they point. Nobody is recognised.")
    lines = [
        f"<li>{number}: {text(face['label'])} ({text(face['because'])}); rows {face['box'][0]} to {face['box'][2]}, "
        f"columns {face['box'][1]} to {face['box'][3]}</li>"
        for number, face in enumerate(records, 1)
    ]
    st.html(f"<ul>{''.join(lines)}</ul>")


def pictures(run: OpenRun, row: Row, report: dict[str, Any]) -> None:
    """The image as stored, its maps and visual aids, beside each other in one view."""
    if report.get("pictures"):  # why there are none
        quiet(report["pictures"])
        return
    shown = maps(run, row, report)
    try:
        stored(run, row)
    except UnreadableInput as error:
        quiet(f"The image cannot be shown: {error}")
    else:
        address = address_of(run, row, STORED)
        shown.insert(
            0, {"name": STORED, "kind": "picture", "title": "As stored", "explanation": "", "address": address}
        )
    shown += aids(run, row, report)
    if "timeline" in report:
        shown.insert(0, strip(run, row, report["timeline"]))
    if shown:
        component("plates")(
            data={"about": f"{run.key} {row.item}", "label": f"Pictures of {printable(row.item)}", "plates": shown},
            key=f"plates-{run.key}",
        )
        quiet(
            "Orange marks where a finding points. Visual aids (dashed) are for an experienced eye: they have no error rate and "
            "do not count in the verdict; bright does not mean changed."
        )
    query = {"run": run.key, "item": row.item}
    st.page_link("views/case.py", label="Look closer, and decide", icon=":material/image_search:", query_params=query)


def strip(run: OpenRun, row: Row, record: dict[str, Any]) -> dict[str, str]:
    """The film strip: frames that matter, and how much changes from one to the next."""
    name = record["picture"]
    explanation = "frames around what was found and from the middle of shots; below, the change from frame to frame"
    return {
        "name": name, "kind": "picture", "title": "Time line", "explanation": explanation,
        "address": address_of(run, row, name),
    }  # fmt: skip


def timeline(record: dict[str, Any]) -> None:
    """What was found along the time line of a film, and the verdict of every shot."""
    st.subheader("Time line")
    if record["events"]:
        found = [
            (each["check"], f"{each['first']} to {each['last']}", f"{each['start_s']:.2f} s", each["because"])
            for each in record["events"]
        ]
        st.html(grid(("found by", "frames", "from", ""), found))
    shots = [
        (
            f"{each['first']} to {each['last']}",
            f"{each['start_s']:.2f} to {each['end_s']:.2f} s",
            each["label"],
            each["because"],
        )
        for each in record["shots"]
    ]
    st.html(grid(("frames of the shot", "time", "verdict", ""), shots))


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts as HTML."""
    titles = "".join(f'<th scope="col">{text(title)}</th>' for title in head)
    lines = "".join(f"<tr>{''.join(f'<td>{text(value)}</td>' for value in row)}</tr>" for row in rows)
    return f'<table class="oddpixel-facts"><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>'


def maps(run: OpenRun, row: Row, report: dict[str, Any]) -> list[dict[str, str]]:
    """The maps of findings over the image, the strongest first."""
    marked = sorted((finding for finding in report["findings"] if finding["map"]), key=rank)
    return [
        {
            "name": finding["map"],
            "kind": "map",
            "title": str(finding["check"]),
            "explanation": "counts in the verdict" if finding["counts"] else "does not count in the verdict",
            "address": address_of(run, row, finding["map"]),
        }
        for finding in marked
    ]


def aids(run: OpenRun, row: Row, report: dict[str, Any]) -> list[dict[str, str]]:
    """The visual aids, which count for nothing in the verdict."""
    return [
        {
            "name": aid["picture"],
            "kind": "aid",
            "title": str(aid["title"]),
            "explanation": f"({aid['label']}) {aid['explanation']}",
            "address": address_of(run, row, aid["picture"]),
        }
        for aid in report["aids"]
    ]


def rank(finding: dict[str, Any]) -> tuple[bool, float]:
    """The sort key of a finding: history last, else the least likely by chance first."""
    log10_p = (
        math.log10(max(finding["p_value"], 1e-300)) if finding["p_value"] is not None else finding["log10_nfa"] or 0.0
    )
    return finding["about"] == "history", log10_p


def address_of(run: OpenRun, row: Row, name: str) -> str:
    """The URL of one of the report's pictures."""
    return f"/oddpixel/runs/{run.key}/report_picture?{urlencode({'item': row.item, 'name': name})}"


def downloads(run: OpenRun, row: Row) -> None:
    """Links to the parts of the report, signed for this visitor."""
    if not may(READER, "Downloading the report"):
        return

    def link(name: str) -> str:
        query = urlencode({"item": row.item, "part": name, "ticket": ticket()})
        return f'<a href="/oddpixel/runs/{run.key}/report?{html.escape(query)}" download>{name}</a>'

    st.html(f"<p>Download {', '.join(map(link, parts(run, row)))} (noted in the log)</p>")


def verdict(record: dict[str, Any]) -> None:
    """The verdict with its reasons, p-value, likelihood ratio and power."""
    lines = [f"<b>{text(str(record['label']).capitalize())}</b>"]
    lines.append(f"<ul>{''.join(f'<li>{text(reason)}</li>' for reason in record['because'])}</ul>")
    if record["p_value"] is not None:
        p, alpha = "below 1e-6" if record["p_value"] < 1e-6 else f"{record['p_value']:.2g}", record["alpha"]
        lines.append(
            paragraph(
                f"p {p} over all tests that count (Holm); the label is kept to at most {alpha} of authentic images."
            )
        )
    if (ratio := record["likelihood_ratio"]) is not None:
        (first, second), (low, high), (manipulated, authentic) = ratio["propositions"], ratio["bound"], ratio["n"]
        lines.append(
            paragraph(f"Likelihood ratio {ratio['value']:.2g}: {ratio['words']}. First: {first}. Second: {second}.")
        )
        lines.append(
            paragraph(
                f"Its calibration ({manipulated} manipulated images, {authentic} authentic) supports no value outside {low:.2g} "
                f"to {high:.2g}; what it means for you depends on what you held likely before."
            )
        )
    lines += [paragraph(f"Power: {record['power']}."), paragraph("No result here says that an image is authentic.")]
    st.html(f'<div class="oddpixel-verdict {TONES.get(str(record["label"]), "")}">{"".join(lines)}</div>')


def findings(title: str, meaning: str, selected: list[dict[str, Any]]) -> None:
    """Findings under a title, evidence first; those of tests that do not apply are folded away."""
    if not selected:
        return
    st.subheader(title)
    quiet(meaning)
    ranked = sorted(
        selected, key=lambda record: ORDER.index(record["status"]) if record["status"] in ORDER else len(ORDER)
    )
    st.html("".join(finding(record) for record in ranked if record["status"] != "not-applicable"))
    if inapplicable := [record for record in ranked if record["status"] == "not-applicable"]:
        with st.expander(f"{len(inapplicable)} that do not apply to this image"):
            st.html("".join(map(finding, inapplicable)))


def finding(record: dict[str, Any]) -> str:
    """One finding as HTML: check, status, reason, p-value or NFA, limits."""
    counted = record["status"] == "evidence" and record["counts"]
    status = "seen" if record["status"] == "evidence" and not counted else str(record["status"])
    lines = [
        f'<strong>{text(record["check"])}</strong><span class="oddpixel-status {"bad" if counted else ""}">{text(status)}</span>'
    ]
    lines.append(paragraph(record["because"]))
    if record["p_value"] is not None:
        lines.append(remark(f"p {record['p_value']:.3g}"))
    elif record["log10_nfa"] is not None and record["status"] != "not-applicable":
        lines.append(
            remark(f"log10 NFA {record['log10_nfa']:.1f} (expected number of such findings in an image without cause)")
        )
    if record["reliability"]:
        lines.append(remark(f"Reliability: {record['reliability']}."))
    if record["limits"] and record["status"] in ("evidence", "no-evidence"):
        lines.append(remark(f"Limits: {record['limits']}"))
    return f'<div class="oddpixel-finding">{"".join(lines)}</div>'


def facts(report: dict[str, Any]) -> None:
    """The facts of the file, and the gate's measurements."""
    st.subheader("What the file declares, and how it is built")
    quiet("Facts are not evidence: anybody can write anything into a file, and take anything out.")
    rows = "".join(
        f'<tr><th>{text(fact["name"])}</th><td class="oddpixel-text">{text(said(fact["value"]))}'
        f"{'<br><small>' + text(fact['because']) + '</small>' if fact['because'] else ''}</td></tr>"
        for fact in report["facts"]
    )
    st.html(f'<table class="oddpixel-facts">{rows}</table>')
    with st.expander("Processing and gate"):
        table_of(
            {name.replace("_", " "): "-" if value is None else said(value) for name, value in report["gate"].items()}
        )


def bounds(report: dict[str, Any]) -> None:
    """Innocent explanations, what was not examined, and the command that repeats the audit."""
    for title, name in (
        ("What else could explain it", "innocent_explanations"),
        ("What was not examined", "not_examined"),
    ):
        st.subheader(title)
        st.html(f"<ul>{''.join(f'<li>{text(entry)}</li>' for entry in report[name])}</ul>")
    st.subheader("To repeat it")
    st.code(report["reproduce"], language=None, wrap_lines=True)


def said(value: Any) -> str:
    """A value of the report as text; lists with commas."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def text(value: Any) -> str:
    """A value as escaped HTML text."""
    return html.escape(str(value))


def paragraph(value: Any) -> str:
    """A value as an HTML paragraph."""
    return f"<p>{text(value)}</p>"


def remark(value: Any) -> str:
    """A value as an HTML paragraph in small print."""
    return f"<p><small>{text(value)}</small></p>"


st.html(STYLE)
found = audited_runs()
with st.expander("Audit images", expanded=not found):
    audit_form()
jobs()
if not found:
    quiet("No audit yet. Without a browser: oddpixel audit FILES -o RUN, then oddpixel dashboard RUN.")
else:
    try:
        reports(found)
    except OddPixelError as error:
        failed(error)
    except (KeyError, TypeError, ValueError, AttributeError):
        st.error("The report of this item is damaged, or of another version.", icon=":material/error:")
