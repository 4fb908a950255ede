"""CVAT: marked places and drawn regions as polygons, decisions as tags, so that people correct them there.

https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ ("CVAT for images 1.1"): x right, y down, in pixels of the
original. What the run's own rule marks has the label `odd` and the source `auto`; what people drew has their own label, and a
person's decision about the image is a tag. Names of images are the run's items: create the task from the same folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from oddpixel.errors import NotExported

from .coco import shapes
from .exported import DecidedRow, Export, Exported

VERSION = "1.1"
DECISIONS = ("odd", "normal", "unsure")
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(exported: Exported, path: Path) -> list[str]:
    """Write the XML that CVAT imports; the names and reasons of items that are left out."""
    left_out: list[str] = []
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = VERSION
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    named = dict.fromkeys(DECISIONS)
    for number, image in enumerate(exported.each(lambda row: _image(exported, row), left_out)):
        image.set("id", str(number))
        named |= dict.fromkeys(str(each.get("label")) for each in image)
        root.append(image)
    for name in named:
        ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = name
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, "utf-8", xml_declaration=True)
    return left_out


def _image(exported: Exported, decided: DecidedRow) -> ElementTree.Element:
    row = decided.row
    if row.width is None:
        raise NotExported("could not be read")
    image = ElementTree.Element("image", name=_text(row.item), width=str(row.width), height=str(row.height))
    for shape in shapes(exported, row):
        image.append(_polygon(shape))
    if decided.decision is not None:
        ElementTree.SubElement(image, "tag", label=decided.decision, source="manual")
    return image


def _polygon(shape: dict[str, Any]) -> ElementTree.Element:
    origin, label = shape["category"]
    outline = shape["segmentation"][0]
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(outline[::2], outline[1::2], strict=True))
    source = "manual" if origin == "drawn" else "auto"
    return ElementTree.Element("polygon", label=_text(label), source=source, occluded="0", points=points, z_order="0")


def _text(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


EXPORT = Export("cvat", ".xml", "Marked places, drawn regions and decisions as CVAT for images 1.1", write)
