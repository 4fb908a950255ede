"""What report.json says, as a JSON Schema: an audit's folder is handed on, and its report is drawn in the dashboard."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string", "maxLength": 100_000}
TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"], "maxLength": 100_000}
NUMBER_OR_NULL: dict[str, Any] = {"type": ["number", "null"]}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT, "maxItems": 10_000}
PICTURE: dict[str, Any] = {"type": "string", "pattern": r"^(maps|aids)/[a-z0-9_-]{1,60}\.png$"}


def _records(required: dict[str, Any]) -> dict[str, Any]:
    item = {"type": "object", "required": sorted(required), "properties": required}
    return {"type": "array", "items": item, "maxItems": 10_000}


FINDING: dict[str, Any] = {
    "check": TEXT,
    "status": TEXT,
    "about": TEXT,
    "because": TEXT,
    "limits": TEXT_OR_NULL,
    "reliability": TEXT_OR_NULL,
    "p_value": NUMBER_OR_NULL,
    "log10_nfa": NUMBER_OR_NULL,
    "map": {"anyOf": [{"type": "null"}, PICTURE]},
    "counts": {"type": "boolean"},
}
INTEGER: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 2**53}
NUMBER: dict[str, Any] = {"type": "number"}
BOX: dict[str, Any] = {"type": "array", "items": INTEGER, "minItems": 4, "maxItems": 4}
SHOT: dict[str, Any] = {
    "first": INTEGER, "last": INTEGER, "start_s": NUMBER, "end_s": NUMBER, "label": TEXT, "because": TEXT,
}  # fmt: skip
EVENT: dict[str, Any] = {
    "check": TEXT, "first": INTEGER, "last": INTEGER, "start_s": NUMBER, "log10_nfa": NUMBER, "because": TEXT,
}  # fmt: skip
RATIO: dict[str, Any] = {
    "type": "object",
    "required": ["propositions", "value", "bound", "n", "words"],
    "properties": {
        "propositions": {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2},
        "value": {"type": "number"},
        "bound": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "n": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "words": TEXT,
    },
}
# What a run keeps of one file: enough for the table, and where its report is.
DETAILS: dict[str, Any] = {
    "type": "object",
    "required": ["item", "sha256", "error"],
    "properties": {
        "item": TEXT,
        "sha256": TEXT_OR_NULL,
        "error": {
            "type": ["object", "null"],
            "required": ["type", "message"],
            "properties": {"type": TEXT, "message": TEXT},
        },
        "verdict": {
            "type": "object",
            "required": ["label", "because", "p_value"],
            "properties": {"label": TEXT, "because": TEXTS, "p_value": NUMBER_OR_NULL},
        },
        "report": {"type": "string", "pattern": "^reports/[0-9a-f]{64}$"},
    },
    "if": {"properties": {"error": {"type": "null"}}},
    "then": {"required": ["verdict", "report"]},
}
REPORT: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "case", "item", "sha256", "bytes", "gate", "verdict", "facts", "findings", "aids",
                 "innocent_explanations", "not_examined", "reproduce"],
    "properties": {
        "schema": {"type": "string", "pattern": "^oddpixel/audit-report/[0-9]{1,4}$"},
        "case": TEXT_OR_NULL,
        "item": TEXT,
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "bytes": {"type": "integer", "minimum": 0, "maximum": 2**53},
        "gate": {
            "type": "object",
            "required": ["width", "height", "container"],
            "properties": {"width": {"type": "integer"}, "height": {"type": "integer"}, "container": TEXT_OR_NULL},
        },
        "verdict": {
            "type": "object",
            "required": ["label", "because", "p_value", "alpha", "likelihood_ratio", "power"],
            "properties": {
                "label": TEXT,
                "because": TEXTS,
                "p_value": NUMBER_OR_NULL,
                "alpha": {"type": "number"},
                "likelihood_ratio": {"anyOf": [{"type": "null"}, RATIO]},
                "power": TEXT,
            },
        },
        "facts": _records({"name": TEXT, "value": {}, "because": TEXT_OR_NULL}),
        "findings": _records(FINDING),
        "sensitivity": _records({"alteration": TEXT, "label": TEXT, "p_value": NUMBER_OR_NULL, "checks": TEXTS}),
        "faces": _records({"box": BOX, "label": TEXT, "because": TEXT, "checks": TEXTS}),
        "aids": _records({"name": TEXT, "title": TEXT, "label": TEXT, "explanation": TEXT, "picture": PICTURE}),
        "innocent_explanations": TEXTS,
        "not_examined": TEXTS,
        "reproduce": TEXT,
        "timeline": {
            "type": "object",
            "required": ["shots", "events", "picture"],
            "properties": {"shots": _records(SHOT), "events": _records(EVENT), "picture": PICTURE},
        },
    },
}  # fmt: skip
