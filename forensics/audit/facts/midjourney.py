"""Midjourney's description of a picture: the prompt, its parameters, and the number of the job.

    a lighthouse at dusk --ar 3:2 --v 6.1 Job ID: 1c1a5b7e-3f0e-4d05-9d4c-0a1b2c3d4e5f

https://docs.midjourney.com/hc/en-us/articles/32859204029709-Parameter-List
A job has a number in newsrooms and print shops too, and command lines have parameters: the whole text must be of this form.
"""

from __future__ import annotations

import re

JOB = re.compile(r"\bJob ID: [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
PARAMETERS = re.compile(r"(?:^|\s)--(?=[a-z])")
VERSION = r"(?:v|version|niji) [1-9](?:\.\d)?"
SHAPE = r"(?:ar|aspect) \d{1,3}:\d{1,3}"
NUMBER = r"(?:s|stylize|c|chaos|w|weird|iw|sw|cw|q|quality|seed|stop|exp|r|repeat) \d+(?:\.\d+)?"
OTHER = r"(?:no|sref|cref|oref|p|profile|style) [^\n]+|(?:raw|tile|fast|relax|turbo|draft|hd|p)"
PARAMETER = re.compile(rf"{VERSION}|{SHAPE}|{NUMBER}|{OTHER}")


def is_description(text: str) -> bool:
    """Whether a text is a prompt that ends in Midjourney's parameters: its version and one more, or any and the job."""
    described, jobs = JOB.subn("", text.strip())
    _, *parameters = (part.strip() for part in PARAMETERS.split(described))
    if not parameters or not all(PARAMETER.fullmatch(parameter) for parameter in parameters):
        return False
    return bool(jobs) or (len(parameters) > 1 and any(re.fullmatch(VERSION, parameter) for parameter in parameters))
