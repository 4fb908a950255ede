"""What detector.json says, as a JSON Schema: detectors are handed on, and loading one must run and allocate nothing of theirs."""

from __future__ import annotations

from typing import Any

DIGEST: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": 4096}, "maxItems": 10_000_000}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 10**9}
RATE: dict[str, Any] = {"type": ["number", "null"], "minimum": 0, "maximum": 1}

OPTIONS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "side": {"type": "integer", "minimum": 16, "maximum": 16384},
        "aligned": {"type": ["boolean", "string", "null"]},
        "channels": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 200}, NAMES]},
        "calibration_share": RATE,
        "chooses": {"type": "boolean"},
        "max_fit": {"type": ["integer", "null"], "minimum": 1, "maximum": 10**8},
        "alpha": RATE,
        "confidence": RATE,
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
        "normal_labels": {"anyOf": [{"type": "null"}, NAMES]},
    },
}
LEVELS: dict[str, Any] = {
    "type": "object",
    "required": ["obeys_depth", "learned"],
    "properties": {
        "obeys_depth": {"type": "boolean"},
        "came_in": {"enum": ["display", "HU", "modality", None]},
        "depths": {
            "type": ["array", "null"],
            "items": {"type": "integer", "minimum": 1, "maximum": 64},
            "maxItems": 64,
        },
        "learned": {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "required": ["unit", "low", "high"],
                    "properties": {
                        "unit": {"type": "string"},
                        "low": {"type": ["number", "null"]},
                        "high": {"type": ["number", "null"]},
                    },
                },
            ]
        },
    },
}
DETECTOR: dict[str, Any] = {
    "type": "object",
    "required": [
        "schema", "model", "model_sha256", "encoder", "options", "channels", "reserves", "channels_sha256",
        "calibration_sha256", "power_sha256",
        "num_calibration_groups", "num_calibration_images", "fitted_on", "left_out", "doubts",
    ],
    "properties": {
        "schema": {"type": "string", "maxLength": 100},
        "model": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,100}$"},
        "model_sha256": DIGEST,
        "encoder": {"type": ["string", "null"], "maxLength": 4096},
        "encoder_sha256": {"anyOf": [DIGEST, {"type": "null"}]},
        "options": OPTIONS,
        "channels": NAMES,
        "reserves": {"type": "object", "additionalProperties": {"type": "number"}},
        "channels_sha256": DIGEST,
        "calibration_sha256": DIGEST,
        "power_sha256": {"anyOf": [DIGEST, {"type": "null"}]},
        "num_calibration_groups": COUNT,
        "num_calibration_images": COUNT,
        "fitted_on": NAMES,
        "left_out": NAMES,
        "doubts": NAMES,
        "group_from": {"enum": ["folder", "csv", "dicom", "file", None]},
        "levels": LEVELS,
        "selection": {"type": "object"},
        "power": {"type": ["object", "null"], "required": ["alpha", "text", "cells"]},
    },
}  # fmt: skip
