"""The model card: what a model is, what it was trained on, and what its own denoiser says of the likelihood it claims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# One-pass bits/dim this far below the identity's is a claim that the denoiser does not bear out.
TOLERANCE_BITS = 0.05


def write_card(path: Path, content: dict[str, Any]) -> None:
    """Markdown from model.json's content."""
    record = content.get("record", {})
    data, figures = record.get("data", {}), record.get("figures", {})
    options, network = record.get("options", {}), content["network"]
    lines = [
        f"# {record.get('title', 'A density-ratio model')}",
        "",
        f"A `{content['kind']}` noise-level classifier (Classification Diffusion Models, arXiv:2402.10095): its output "
        "gives an image's log-likelihood in one forward pass, its gradient the denoiser.",
        "",
        "| | |",
        "|---|---|",
        f"| input | {_input(content)}, dequantised with uniform noise of one quantum |",
        *([f"| schedule | {_options(content['schedule'])} |"] if "schedule" in content else []),
        f"| network | {_options(network)} |",
        f"| training | {record.get('step', 0):,} steps of {options.get('batch_size')} images, "
        f"{record.get('seconds', 0) / 3600:.2f} h on {record.get('machine', 'an unnamed machine')}, seed {options.get('seed')} |",
        f"| weights | SHA-256 `{content['weights_sha256'][:16]}...` |",
        "",
        "## Data",
        "",
        f"{data.get('title', 'not recorded')}; {data.get('num_examples', '?')} training images, content hash "
        f"`{str(data.get('sha256', ''))[:16]}...`.",
        *([f"Licence: {data['licence']}. Attribution: {data['attribution']}."] if data.get("licence") else []),
        "",
        "## Likelihood, checked against its own denoiser",
        "",
        *_figures(figures),
    ]
    path.write_text("\n".join(lines) + "\n")


def _input(content: dict[str, Any]) -> str:
    network = content["network"]
    if content["kind"] == "pyramid":
        return f"{network['channels']} x any size, 8 to 16 bits"
    side = network["image_size"]
    return f"{network['in_channels']} x {side} x {side}, {content['quanta']['bits']} bits"


def _figures(figures: dict[str, Any]) -> list[str]:
    if not figures:
        return ["Not measured yet."]
    lines = ["| held-out figure | value |", "|---|---|"]
    lines += [
        f"| {name.replace('_', ' ')} | {value:.4g} |"
        for name, value in figures.items()
        if isinstance(value, int | float)
    ]
    one_pass, identity = figures.get("bits_per_dim"), figures.get("identity_bits_per_dim")
    if one_pass is None or identity is None:
        return lines
    gap = one_pass - identity
    verdict = (
        f"**The one-pass value claims {-gap:.3f} bits/dim fewer than the denoiser can justify: use the identity's.**"
        if gap < -TOLERANCE_BITS
        else f"One pass minus identity: {gap:+.3f} bits/dim. Compare with codecs by the larger of the two."
    )
    cut = figures.get("looseness_of_cut_bits_per_dim")
    return [*lines, "", verdict] + (
        [f"Cutting the identity at the top level costs at most {cut:.4f} bits/dim."] if cut else []
    )


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items() if value is not None)
