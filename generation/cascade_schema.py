"""The JSON Schema of a cascade's model.json, with bounds above the published sizes."""

from __future__ import annotations

from typing import Any


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


def _each(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": value, "maxItems": 8}


WIDTH, COUNT = _whole(0, 4096), _whole(0, 64)
UNET: dict[str, Any] = {
    "type": "object",
    "properties": {
        "channels": WIDTH, "patch": _whole(1, 16), "widths": _each(WIDTH), "heads": _each(_whole(-1, 256)),
        "blocks": _each({"type": "string", "pattern": "^[CTA]{1,8}$"}), "down": _each(COUNT), "up": _each(COUNT),
        "repeats": _each(_whole(1, 8)), "condition": WIDTH, "pooled": WIDTH, "text": WIDTH, "picture": WIDTH,
        "semantic": WIDTH, "pixels": WIDTH, "coarse": WIDTH, "parametrisation": {"enum": ["noise", "velocity"]},
        "dropout": {"type": "number", "minimum": 0, "maximum": 1},
    },
}  # fmt: skip
OPTIONS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {
            "type": "object",
            "properties": {
                "levels": _whole(1, 6), "hidden": WIDTH, "blocks": COUNT, "latent": WIDTH, "codes": _whole(1, 100_000),
                "scale_factor": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
            },
        },
        "b": UNET,
        "c": UNET,
        "guidance": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 100_000}},
        "geometry": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "compression": {"type": "number", "minimum": 1, "maximum": 256},
                "reduction": _whole(1, 64), "base": _whole(1, 64), "patch": _whole(1, 16), "encoder": _whole(1, 256),
            },
        },
        "labels": {"type": "array", "items": {"type": "string", "maxLength": 100}, "maxItems": 10_000},
        "slots": _whole(1, 1024),
    },
}  # fmt: skip
CASCADE: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "options", "weights_sha256", "record"],
    "properties": {
        "schema": {"type": "string", "maxLength": 100},
        "options": OPTIONS,
        "weights_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "record": {"type": "object", "properties": {"stages": {"type": "object"}, "title": {"type": "string"}}},
    },
}
