"""A detector's card: what it is, what it rests on, and what it can promise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oddpixel.counting import counted
from oddpixel.errors import CalibrationTooSmall

from .guarantee import groups_needed, guarantee, rate_text
from .levels import Levels
from .training_images import in_words

PROMISES = ((0.1, None), (0.05, None), (0.01, None), (0.1, 0.95), (0.05, 0.95), (0.01, 0.95))


def promises(num_groups: int) -> list[dict[str, Any]]:
    """What so many calibration groups can promise, and what more it would take."""
    rows = []
    for alpha, confidence in PROMISES:
        needed = groups_needed(alpha, confidence)
        try:
            said = str(guarantee(num_groups, alpha, confidence))
        except CalibrationTooSmall:
            said = f"not yet: {needed - num_groups} more normal groups are needed"
        options = f"--alpha {alpha:g}" + ("" if confidence is None else f" --confidence {confidence:g}")
        rows.append({"option": options, "groups needed": needed, "promise": said})
    return rows


def write_card(path: Path, record: Mapping[str, Any]) -> None:
    """`README.md` beside the detector."""
    options = record["options"]
    lines = [
        "# Detector",
        "",
        f"Density model `{record['model']}` (weights {record['model_sha256'][:12]}), encoder "
        f"{record['encoder'] or 'none'}; images up to {options['side']} pixels a side; "
        f"{'aligned' if options['aligned'] else 'not aligned'}. Channels: {', '.join(record['channels'])}"
        f"{_left_out(record)}.",
        "",
        f"Remembers {counted(len(record['fitted_on']), 'image')}; calibrated on "
        f"{counted(record['num_calibration_images'], 'image')} in {counted(_groups(record), 'group')}, "
        f"with seed {options['seed']}.",
        "",
        "| option | normal groups needed | what it promises |",
        "|---|---|---|",
        *(f"| `{row['option']}` | {row['groups needed']} | {row['promise']} |" for row in promises(_groups(record))),
        "",
        "Promises hold for normal groups like those it was calibrated on (another scanner or camera is another population), and",
        "for groups, not for single images of one. It says how odd an image is among these normals, not what is wrong with it.",
    ]
    lines += ["", *(f"**Void**: {doubt}." for doubt in record["doubts"])]
    if power := record["power"]:
        lines += [
            "",
            f"What it finds with a rate of {rate_text(power['alpha'])}: {power['text']}.",
            "",
        ]
        lines += ["| planted | how much | flagged | 95 % interval of the share |", "|---|---|---|---|"]
        row = "| {kind} | {measured} | {found} of {tried} | {low:.2f} to {high:.2f} |"
        lines += [row.format(**cell) for cell in power["cells"]]
    if chosen := in_words(record["selection"]):
        lines += ["", f"Of the source, {chosen}."]
    if (learned := record["levels"]["learned"]) is not None:
        lines += ["", f"Black to white in unit {learned['unit']}: {Levels.of_json(learned)}."]
    if record["left_out"]:
        lines += ["", "Left out:", "", *(f"* {each}" for each in record["left_out"])]
    path.write_text("\n".join(lines) + "\n")


def _groups(record: Mapping[str, Any]) -> int:
    return int(record["num_calibration_groups"])


def _left_out(record: Mapping[str, Any]) -> str:
    """The channels that are not in the score, with the reason."""
    names = [name for name in record["channels"] if name not in record["reserves"]]
    return f" ({', '.join(names)} as reasons only: without them more of what was planted is found)" if names else ""
