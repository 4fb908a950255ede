"""Everything that OddPixel makes is marked as made: IPTC's digital source type in XMP, and plain text beside it.

https://cv.iptc.org/newscodes/digitalsourcetype/ (trainedAlgorithmicMedia); IPTC Photo Metadata Standard 2023.2.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import UInt8

from oddpixel import __version__

SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>{tool}</xmp:CreatorTool>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def save_synthetic(path: Path, picture: UInt8[np.ndarray, "h w *c"], made_by: str) -> None:
    """Save a picture as PNG, marked as synthetic. `made_by` says which model and seed."""
    from PIL import Image as Pillow
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.format(source=SYNTHETIC, tool=escape(f"OddPixel {__version__}: {made_by}")))
    info.add_text("Comment", f"Synthetic image, made by OddPixel {__version__} ({made_by}).")
    Pillow.fromarray(picture).save(path, pnginfo=info)
