"""Whether the scans of a JPEG together hold every coefficient of every component (ITU-T T.81, B.2.3 and G.1.1.1).

A progressive stream cut between two scans is a valid stream of a coarser picture: no decoder warns.
"""

from __future__ import annotations

from .jpeg_segments import START_OF_SCAN, segments

# Baseline, extended and progressive frames, Huffman and arithmetic coding (table B.1).
DCT_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
NUM_COEFFICIENTS = 64


def missing_scans(stream: bytes) -> list[str]:
    """A note where some coefficients never reach their last bit."""
    exact: dict[int, set[int]] = {}
    for code, content in segments(stream):
        if code in DCT_FRAMES and len(content) >= 6:
            exact = {component: set() for component in content[6::3]}
        elif code == START_OF_SCAN and len(content) >= 4 and content[-1] & 0x0F == 0:
            first, last = content[-3], content[-2]
            for component in content[1:-3:2]:
                exact.get(component, set()).update(range(first, last + 1))
    share = sum(len(coefficients) for coefficients in exact.values()) / (NUM_COEFFICIENTS * max(len(exact), 1))
    if not exact or share >= 1:
        return []
    return [
        f"the scans of the JPEG hold {share:.0%} of its coefficients in full: it is cut short, or was saved with less detail"
    ]
