"""ComfyUI's graphs: the prompt that its server ran, and the workflow that its editor drew.

    prompt     {"3": {"class_type": "KSampler", "inputs": {...}}, ...}
    workflow   {"nodes": [{"id": 3, "type": "KSampler", "mode": 0, ...}, ...], "links": [...], "last_node_id": 9, ...}

A graph that loads, scales and saves a photograph has made nothing: only one with a node that generates declares its picture.
Other programs write JSON with nodes too; none of theirs are of these kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .text_forms import json_object

PREFIX = re.compile(r"(?:prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)  # in EXIF's Make and Model, of WebP
MUTED, BYPASSED = 2, 4  # modes of a node that does not run
# Samplers, what is asked of them, and nodes that ask a service for a picture.
GENERATING = re.compile(
    r"[\w ]*[kK]Sampler\b.*|Sampler(?:Custom|_)\w*|\w*(?:TextEncode|TextToImage|Txt2Img|ImageGeneration|UltimateSDUpscale)\w*"
    r"|(?:OpenAIDalle|OpenAIGPTImage|FluxPro|FluxKontext|Ideogram|Recraft|StabilityStableImage|GeminiImage|LumaImage|ByteDanceImage)"
    r"\w*"
)


def is_generation(text: str) -> bool:
    """Whether a text is a graph of ComfyUI, with a node that generates."""
    prefix = PREFIX.match(text)
    graph = json_object(text[prefix.end() :] if prefix else text)
    return any(GENERATING.fullmatch(kind) for kind in (*_of_prompt(graph), *_of_workflow(graph)))


def _of_prompt(graph: dict[str, Any]) -> Iterator[str]:
    for node in graph.values():
        if (
            isinstance(node, dict)
            and isinstance(node.get("inputs", {}), dict)
            and isinstance(node.get("class_type"), str)
        ):
            yield node["class_type"]


def _of_workflow(graph: dict[str, Any]) -> Iterator[str]:
    definitions = graph.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    for part in (graph, *(subgraphs if isinstance(subgraphs, list) else ())):
        if isinstance(part, dict) and isinstance(part.get("links"), list) and isinstance(part.get("nodes"), list):
            yield from (kind for node in part["nodes"] if (kind := _running_kind(node)) is not None)


def _running_kind(node: Any) -> str | None:
    if not isinstance(node, dict) or node.get("mode") in (MUTED, BYPASSED) or not isinstance(node.get("type"), str):
        return None
    return node["type"]
