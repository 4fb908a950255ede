"""What run.json says, as a JSON Schema: runs are handed on, and their ids and places reach web pages and file systems."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string", "maxLength": 4096}
TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"], "maxLength": 4096}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 10**10}
PROBABILITY: dict[str, Any] = {"type": ["number", "null"], "minimum": 0, "maximum": 1}

CELL: dict[str, Any] = {
    "type": "object",
    "required": ["kind", "strength", "amount", "measured", "found", "tried", "low", "high"],
    "properties": {
        "kind": TEXT,
        "strength": {"type": "number"},
        "amount": {"type": "number"},
        "measured": TEXT,
        "found": COUNT,
        "tried": {"type": "integer", "minimum": 1, "maximum": 10**10},
        "low": {"type": "number", "minimum": 0, "maximum": 1},
        "high": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
DECISION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rule": {"type": "object"},
        "promise": TEXT,
        "warnings": {"type": "array", "items": TEXT, "maxItems": 1000},
        "num_groups": COUNT,
        "num_flagged_groups": COUNT,
        "flagged_up_to": PROBABILITY,
        "map_threshold": {"type": ["number", "null"]},
        "map_places": {"type": ["integer", "null"]},
        "power": {
            "type": ["object", "null"],
            "required": ["text", "cells"],
            "properties": {"text": TEXT, "cells": {"type": "array", "items": CELL, "maxItems": 1000}},
        },
        "drift_alarm": {"type": ["boolean", "null"]},
    },
}
LEFT_OUT: dict[str, Any] = {
    "type": "object",
    "required": ["item", "reason", "detail"],
    "properties": {"item": TEXT, "reason": TEXT, "detail": TEXT},
    "additionalProperties": False,
}
GROUPS: dict[str, Any] = {
    "type": "object",
    "required": ["groups"],
    "properties": {
        "groups": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["group", "p_value", "q_value", "flagged", "num_images", "oddest", "curve"],
                "properties": {
                    "group": TEXT,
                    "p_value": PROBABILITY,
                    "q_value": PROBABILITY,
                    "flagged": {"type": "boolean"},
                    "stratum": TEXT_OR_NULL,
                    "num_images": COUNT,
                    "oddest": TEXT,
                    "curve": {"type": "array", "items": {"type": "number"}},
                },
            },
        }
    },
}
# Of one shard of `inspect`: `describe_image` of each item, with its thumbnail.
DETAILS: dict[str, Any] = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["item", "error"],
                "properties": {
                    "item": {"type": "string"},
                    "error": {
                        "type": ["object", "null"],
                        "required": ["type", "message"],
                        "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
                    },
                    "thumbnail": TEXT_OR_NULL,
                    "sha256": TEXT_OR_NULL,
                    "width": COUNT,
                    "height": COUNT,
                    "channels": COUNT,
                    "bits": COUNT,
                    "unit": TEXT,
                    "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                    "spacing_mm": {"type": ["array", "null"], "items": {"type": "number"}},
                    "meta": {
                        "type": "object",
                        "required": ["format"],
                        "properties": {
                            "notes": {"type": "array", "items": {"type": "string"}},
                            "series": {"type": "object"},
                        },
                    },
                },
                "if": {"properties": {"error": {"type": "null"}}},
                "then": {
                    "required": ["sha256", "width", "height", "channels", "bits", "unit", "range", "spacing_mm", "meta"]
                },
            },
        }
    },
}
ITEM_NAMES: dict[str, Any] = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"type": "string"}}},
}
RUN: dict[str, Any] = {
    "type": "object",
    "required": [
        "schema",
        "id",
        "kind",
        "options",
        "shard_size",
        "items",
        "places",
        "num_items",
        "num_shards",
        "started",
    ],
    "properties": {
        "schema": {"type": "string", "pattern": "^oddpixel/run/[0-9]{1,4}$"},
        "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "kind": {"type": "string", "pattern": "^[a-z][a-z-]{0,39}$"},
        "options": {"type": "object"},
        "shard_size": {"type": "integer", "minimum": 1, "maximum": 10**7},
        "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "places": {"type": "array", "items": TEXT, "maxItems": 100_000},
        "num_items": COUNT,
        "num_shards": {"type": "integer", "minimum": 0, "maximum": 10**7},
        "versions": {"type": "object"},
        "started": TEXT,
        "finished": TEXT_OR_NULL,
        "decision": DECISION,
        "decided_before": {"type": "array", "items": {"type": "object"}, "maxItems": 100},
        "title": {"type": "string", "maxLength": 80},
        "left_out": {"type": "array", "items": LEFT_OUT},
    },
}
