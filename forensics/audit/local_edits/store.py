"""The network in a folder: `model.json` (what it is), `model.safetensors` (half precision), `README.md` (the card)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from oddpixel.envelope import plain
from oddpixel.errors import CorruptWeights
from oddpixel.records import read_record
from oddpixel.weights import load_weights, read_weights, sha256_of

from .network import NetworkOptions, RegionNetwork

BUNDLED = Path(__file__).parent.with_name("weights") / "local-edits"
SCHEMA = "oddpixel/local-edits/1"
NETWORK: dict[str, Any] = {
    "type": "object",
    "required": ["members", "width", "narrow", "dropout"],
    "additionalProperties": False,
    "properties": {
        "members": {"type": "integer", "minimum": 1, "maximum": 64},
        "width": {"type": "integer", "minimum": 1, "maximum": 1024},
        "narrow": {"type": "integer", "minimum": 1, "maximum": 1024},
        "dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    },
}
_MODEL = {
    "type": "object",
    "required": ["schema", "network", "record"],
    "properties": {"schema": {"const": SCHEMA}, "network": NETWORK, "record": {"type": "object"}},
}


def save_network(folder: Path, network: RegionNetwork, record: dict[str, Any]) -> None:
    """Write the three files. `record` holds what the card tells: data, training, figures."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().half().contiguous() for name, value in network.state_dict().items()}
    temporary = folder / ".model.safetensors.tmp"
    save_file(weights, temporary)
    temporary.replace(folder / "model.safetensors")
    digest = sha256_of(folder / "model.safetensors")
    content = plain(
        {"schema": SCHEMA, "network": network.options.as_record(), "weights_sha256": digest, "record": record}
    )
    (folder / "model.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    _write_card(folder / "README.md", content)


def load_network(folder: Path = BUNDLED) -> RegionNetwork:
    """The network in a folder, in evaluation mode. Raises: MissingWeights, CorruptWeights, WrongArchitecture."""
    content = read_record(folder / "model.json", _MODEL, CorruptWeights)
    network = RegionNetwork(NetworkOptions(**content["network"]))
    weights = read_weights(folder / "model.safetensors")
    load_weights(network, {name: value.float() for name, value in weights.items()})
    return network.eval().requires_grad_(False)


@cache
def bundled_network() -> RegionNetwork:
    """The bundled network, read once."""
    return load_network()


def trained_on(folder: Path = BUNDLED) -> tuple[str, ...]:
    """The corpora that a network has learnt from: their photographs are no measure of its false alarms."""
    record = read_record(folder / "model.json", _MODEL, CorruptWeights)["record"]
    return tuple(record.get("data", {}).get("corpora", ()))


def _write_card(path: Path, content: dict[str, Any]) -> None:
    record = content["record"]
    data, options, network = record.get("data", {}), record.get("options", {}), content["network"]
    lines = [
        "# Local edits",
        "",
        "A network that gives the log-odds that a region of a picture was edited, learnt from photographs that OddPixel edited",
        "itself: splices, Poisson blends, fillings, filters, copies, each part with a history of its own. What its numbers mean",
        "is measured on other photographs (`forensics/audit/calibration.json`); by themselves they are no evidence.",
        "",
        "| | |",
        "|---|---|",
        f"| network | {network['members']} of {network['width']} and {network['narrow']} units |",
        f"| training | {record.get('step', 0):,} steps of {options.get('batch_size')} regions of {data.get('crops', 0):,} crops, "
        f"{record.get('seconds', 0) / 3600:.2f} h in the last round, seed {options.get('seed')} |",
        f"| weights | SHA-256 `{content['weights_sha256'][:16]}...`, half precision |",
        "",
        "## Data",
        "",
        f"{data.get('title', 'not recorded')}.",
        *([f"Licence: {data['licence']}. Attribution: {data['attribution']}."] if data.get("licence") else []),
        "",
        "## On composites of held-out photographs",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in record.get("figures", {}).items()),
    ]
    path.write_text("\n".join(lines) + "\n")
