"""What model.json says, as a JSON Schema, with bounds above anything that was ever trained: a network is built from these numbers
before its weights can contradict them."""

from __future__ import annotations

from typing import Any


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


NUMBER: dict[str, Any] = {"type": "number", "minimum": -1e6, "maximum": 1e6}
NUMBERS: dict[str, Any] = {"type": "array", "items": NUMBER, "maxItems": 64}
WIDTH, BLOCKS, LEVELS = _whole(1, 4096), _whole(0, 64), _whole(1, 100_000)

NETWORK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "channels": WIDTH,
        "in_channels": _whole(1, 64),
        "unit": {"type": "string", "maxLength": 40},
        "coarsest": _whole(1, 1024),
        "coordinates": {"type": "boolean"},
        "num_networks": _whole(1, 32),
        "width": WIDTH,
        "num_blocks": BLOCKS,
        "base_width": _whole(0, 4096),
        "base_blocks": BLOCKS,
        "num_levels": LEVELS,
        "top": NUMBER,
        "bottom": NUMBER,
        "detail_std": {"type": "array", "items": NUMBERS, "maxItems": 64},
        "coarsest_std": NUMBERS,
        "ch_mult": {"type": "array", "items": _whole(1, 64), "minItems": 1, "maxItems": 10},
        "num_res_blocks": _whole(1, 32),
        "attn_resolutions": {"type": "array", "items": _whole(1, 4096), "maxItems": 10},
        "image_size": _whole(1, 4096),
        "dropout": {"type": "number", "minimum": 0, "maximum": 1},
        "resamp_with_conv": {"type": "boolean"},
        "num_classes": {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000},
    },
}
MODEL: dict[str, Any] = {
    "type": "object",
    "required": ["kind", "network"],
    "properties": {
        "kind": {"type": "string", "maxLength": 40},
        "network": NETWORK,
        "schedule": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "string"}, NUMBER, {"type": "boolean"}]},
        },
        "quanta": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "string"}, NUMBER, NUMBERS, {"type": "null"}]},
        },
    },
}
