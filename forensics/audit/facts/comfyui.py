"""ComfyUI's graphs: the prompt that its server ran, and the workflow that its editor drew.

    prompt     {"3": {"class_type": "KSampler", "inputs": {...}}, ...}
    workflow   {"nodes": [{"id": 3, "type": "KSampler", "mode": 0, ...}, ...], "links": [...], "last_node_id": 9, ...}

A graph that loads, scales and saves a photograph has made nothing: only one with a node that generates declares its picture.
Nodes that are left over, whose output nothing takes, do not run: in a graph that loads a picture they declare nothing.
Other programs write JSON with nodes too; none of theirs are of these kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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
LOADING = re.compile(r"\w*Load\w*Image\w*|\w*Image\w*Load\w*")


@dataclass(frozen=True)
class Node:
    """One node of a ComfyUI graph.

    Arguments:
        is_used: whether another node takes one of its outputs.
    """

    kind: str
    is_used: bool


def is_generation(text: str) -> bool:
    """Whether a text is a graph of ComfyUI, with a node that generates."""
    prefix = PREFIX.match(text)
    graph = json_object(text[prefix.end() :] if prefix else text)
    return any(_generates(nodes) for nodes in (list(_of_prompt(graph)), list(_of_workflow(graph))))


def _generates(nodes: list[Node]) -> bool:
    loads = any(LOADING.fullmatch(node.kind) for node in nodes)
    return any(GENERATING.fullmatch(node.kind) and (node.is_used or not loads) for node in nodes)


def _of_prompt(graph: dict[str, Any]) -> Iterator[Node]:
    nodes = {number: node for number, node in graph.items() if _is_prompt_node(node)}
    taken = {str(value[0]) for node in nodes.values() for value in node.get("inputs", {}).values() if _is_link(value)}
    for number, node in nodes.items():
        yield Node(node["class_type"], number in taken)


def _is_prompt_node(node: Any) -> bool:
    return (
        isinstance(node, dict) and isinstance(node.get("inputs", {}), dict) and isinstance(node.get("class_type"), str)
    )


def _is_link(value: Any) -> bool:
    """The number of a node, and which of its outputs."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int)


def _of_workflow(graph: dict[str, Any]) -> Iterator[Node]:
    definitions = graph.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    for part in (graph, *(subgraphs if isinstance(subgraphs, list) else ())):
        if isinstance(part, dict) and isinstance(part.get("links"), list) and isinstance(part.get("nodes"), list):
            taken = {str(origin) for link in part["links"] if (origin := _origin(link)) is not None}
            running = (node for node in part["nodes"] if _is_running(node))
            yield from (Node(node["type"], str(node.get("id")) in taken) for node in running)


def _origin(link: Any) -> Any:
    """The node that a link begins at; links of subgraphs have names for it."""
    if isinstance(link, dict):
        return link.get("origin_id")
    return link[1] if isinstance(link, list) and len(link) > 1 else None


def _is_running(node: Any) -> bool:
    return isinstance(node, dict) and node.get("mode") not in (MUTED, BYPASSED) and isinstance(node.get("type"), str)
