"""The model card of a cascade: what it is, how each stage was trained, and what it must not be taken for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

STAGES = {"a": "stage A", "b": "stage B", "c": "stage C", "guidance": "guidance"}


def write_card(path: Path, content: dict[str, Any]) -> None:
    """Write the model card in Markdown, from the content of model.json."""
    record = content["record"]
    lines = [
        f"# {record.get('title', 'A cascade')}",
        "",
        "Stages A, B and C of Stable Cascade with UltraPixel's guidance (arXiv:2407.02158), trained with OddPixel. The pictures",
        "that it generates are synthetic, and marked as such. It was trained on few pictures: it gives texture and layout, and",
        "no evidence of anything.",
        *(["", record["note"]] if record.get("note") else []),
        "",
        "| stage | steps | hours | held-out figures |",
        "|---|---|---|---|",
        *(_row(title, record["stages"].get(stage)) for stage, title in STAGES.items()),
        "",
        f"Weights: SHA-256 `{content['weights_sha256'][:16]}...`, half precision.",
        "",
        "## Data",
        "",
        f"{record.get('data', {}).get('title', 'not recorded')}.",
    ]
    data = record.get("data", {})
    if data.get("licence"):
        lines.append(f"Licence: {data['licence']}. Attribution: {data['attribution']}.")
    path.write_text("\n".join(lines) + "\n")


def _row(title: str, stage: dict[str, Any] | None) -> str:
    if stage is None:
        return f"| {title} | not trained | | |"
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in stage.get("figures", {}).items())
    return f"| {title} | {stage['step']:,} | {stage['seconds'] / 3600:.2f} | {figures} |"
