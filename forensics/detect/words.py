"""What the entries of a density vector mean, said to people."""

from __future__ import annotations


def of_density_entry(name: str, deviations: float) -> str:
    """`scale:what` and how far it is from normal, as a sentence without its full stop."""
    scale, _, what = name.partition(":")
    size = f"details of about {2 ** (int(scale) + 1)} pixels"
    by = f"{abs(deviations):.1f} deviations"
    more = deviations > 0
    kind, _, argument = what.partition(" ")
    if kind == "nll":
        return f"{size} are {'richer' if more else 'plainer'} than in normals, by {by}"
    if kind == "gap":
        return f"{size} are {'rougher' if more else 'smoother'} than their surroundings suggest, by {by}"
    if kind == "surprise":
        at = f"restored from noise of log-SNR {argument}"
        return f"{size}, {at}, are {'rougher' if more else 'smoother'} than the model expects of them, by {by}"
    if kind == "ratio":
        at = "seen clean" if argument == "clean" else f"seen through noise of log-SNR {argument}"
        return f"{size}, {at}, are {'more' if more else 'less'} orderly than in normals, by {by}"
    if kind in ("level", "entropy"):
        return f"{size} look {'less' if more == (kind == 'level') else 'more'} noisy than in normals, by {by}"
    where = {"2": "the plainest places", "98": "the richest places"}.get(argument, "most places")
    return f"{size} in {where} are {'richer' if more else 'plainer'} than in normals, by {by}"
