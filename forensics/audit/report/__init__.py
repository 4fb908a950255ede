"""Reports: `report.json` is the truth, byte for byte the same for the same file and options; HTML and PDF are drawn from
it. What differs from run to run (times, host, hands) is `custody.json`'s.
"""
