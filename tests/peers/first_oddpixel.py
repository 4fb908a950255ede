"""OddPixel: two calls."""

import sys

import oddpixel

normals, incoming, out = sys.argv[1:]
detector = oddpixel.Detector().fit(oddpixel.open_source(normals))
print(oddpixel.flag(incoming, detector, out=out).to_pandas()[["item", "p_value", "flagged", "because"]])
