"""ExifTool's view of a file, where that program is installed: history, dates, thumbnails, and which private things are there.

https://exiftool.org. It reads many formats of hostile content in a language without bounds (CVE-2021-22204 ran code), so it runs
as a decoding worker does: no network, no file writes, little memory, no configuration file, nothing of our environment.

Values are shown of tags that are known to be neutral. Of all others only the names are: a list of what to hide would miss some.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from functools import cache
from typing import IO, Any

from .fact import Fact, printable

SECONDS = 20
MOST_OUTPUT = 4_000_000  # bytes
MEMORY = 2 * 2**30
MOST_FACTS, MOST_NAMES, MOST_VALUES = 60, 20, 20
# Groups of family 1 that say nothing about the file (our own pipe, and ExifTool), or that other readers report from the bytes.
IGNORED = re.compile(r"ExifTool|System|File|JFIF|Composite|ICC-\w+|PNG")
PRIVATE = {
    "place": re.compile(
        r"GPS|Latitude|Longitude|Altitude|Location|City|Country|State|Province|Address|Position|Destination"
    ),
    "serial number": re.compile(r"Serial|UniqueID|DeviceID|ImageUniqueID|ContentIdentifier"),
    "person": re.compile(
        r"Owner|Artist|By-?line|Creator(?!Tool)|Author|Person|Credit|Contact|Copyright|Rights|Region|Photographer|Writer|Editor"
        r"|Face|Name$|Patient|Birth|Physician|Operator|E-?mail|Phone|Licensor|Supplier|Contributor|Publisher"
    ),
}
# Dates of the file (never of a person), tools, identities of versions, sizes of embedded pictures: whole tag names of any group.
SHOWN = re.compile(
    r"(DateTime(Original|Digitized)?|(Digital)?Creation(Date|Time)|(Media|Track)?(Create|Modify)Date|MetadataDate|ModDate"
    r"|(Date|Time)Created|ProfileDateTime|(SubSec|Offset)Time\w*"
    r"|Software|CreatorTool|History(Action|When|SoftwareAgent|Changed|InstanceID)|ActionsAction|ActionsDigitalSourceType"
    r"|Claim_Generator(_InfoName|_InfoVersion)?|JUMDLabel|(Original)?DocumentID|InstanceID|DerivedFrom(Original)?DocumentID"
    r"|DerivedFromInstanceID|DigitalSourceType|Format|ColorMode|(Legacy)?IPTCDigest|PhotoshopQuality|PhotoshopFormat"
    r"|ProgressiveScans|PhotoshopThumbnail|ThumbnailImage|PreviewImage|JpgFromRaw|(Thumbnail|Preview)\w*(Length|Size|Width|Height)"
    r"|Toolkit|XMPToolkit|Make|Model|LensModel|Producer|PDFVersion|Linearized|HasXMP)",
)
# Confined first, then this process becomes ExifTool: limits, namespace and Landlock stay with it.
CONFINED = (
    "import os, sys; from oddpixel.datasets.confinement import confine, limit_cpu; "
    "confine(int(sys.argv[1])); limit_cpu(int(sys.argv[2])); os.execv(sys.argv[3], sys.argv[3:])"
)
# No configuration file (it is Perl code), one JSON object, groups of family 1, numbers unconverted, nothing computed.
OPTIONS = ("-config", "", "-j", "-G1", "-n", "-e", "-charset", "UTF8", "-")


def look(content: bytes) -> Iterator[Fact]:
    """The facts that ExifTool reports; none where it is not installed."""
    if (program := _program()) is None:
        return
    try:
        tags = _tags(_output(program, content))
    except (OSError, ValueError, RecursionError) as error:
        yield Fact("ExifTool", "failed", printable(str(error)))
        return
    facts = list(_facts(tags))
    yield from facts[:MOST_FACTS]
    if len(facts) > MOST_FACTS:
        yield Fact("ExifTool", f"{len(facts) - MOST_FACTS} more", "not shown")


@cache
def _program() -> str | None:
    return shutil.which("exiftool") if os.name == "posix" else None


def _output(program: str, content: bytes) -> bytes:
    """The JSON that ExifTool prints for a file, from a process with limited memory and time.

    Raises: ValueError where it takes too long or says too much; OSError.
    """
    command = [sys.executable, "-I", "-B", "-c", CONFINED, str(MEMORY), str(SECONDS), program, *OPTIONS]
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    with _anonymous_file() as file:  # a pipe would have to be filled while the other is emptied
        file.write(content)
        file.seek(0)
        process = subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd="/"
        )
    alarm = threading.Timer(SECONDS, process.kill)
    alarm.start()
    try:
        with process:
            assert process.stdout is not None
            output = process.stdout.read(MOST_OUTPUT + 1)
            is_late = not alarm.is_alive()
            process.kill()  # it may have more to say; a process that has ended does not mind
    finally:
        alarm.cancel()
    if is_late:
        raise ValueError(f"no answer within {SECONDS} s")
    if len(output) > MOST_OUTPUT:
        raise ValueError(f"its answer is longer than {MOST_OUTPUT // 10**6} MB")
    return output


def _anonymous_file() -> IO[bytes]:
    """In memory where the system can: evidence is not copied to a disk."""
    return os.fdopen(os.memfd_create("content"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()


def _tags(output: bytes) -> dict[str, Any]:
    """The tags in ExifTool's JSON, by group and name. Raises: ValueError."""
    if not output:
        raise ValueError("it ended without an answer")
    answer = json.loads(output.decode("utf-8", "replace"))
    if not (isinstance(answer, list) and answer and isinstance(answer[0], dict)):
        raise ValueError("its answer is not one object")
    if "ExifTool:Error" in answer[0]:
        raise ValueError(str(answer[0]["ExifTool:Error"]))
    return answer[0]


def _facts(tags: dict[str, Any]) -> Iterator[Fact]:
    """The private ones first, so that a flood of others cannot push them out."""
    shown: list[Fact] = []
    private: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for label, value in tags.items():
        group, _, tag = label.rpartition(":")
        if not group or IGNORED.fullmatch(group):
            continue
        kind = next(
            (kind for kind, names in PRIVATE.items() if names.search(tag) or (kind == "place" and group == "GPS")), None
        )
        if kind is not None:
            private.setdefault(kind, []).append(label)
        elif SHOWN.fullmatch(tag):
            shown.append(Fact(f"ExifTool: {printable(label)}", _value(value)))
        else:
            others.setdefault(group, []).append(tag)
    for kind, labels in private.items():
        yield Fact(f"ExifTool: {kind}", "there", f"not repeated here: {_names(labels)}")
    if warning := tags.get("ExifTool:Warning"):
        yield Fact("ExifTool: warning", _value(warning))
    yield from shown
    for group, names in others.items():
        yield Fact(f"ExifTool: {printable(group)}", f"{len(names)} tags", f"values not repeated: {_names(names)}")


def _names(names: Iterable[str]) -> str:
    once = list(dict.fromkeys(printable(name)[:60] for name in names))
    return ", ".join(once[:MOST_NAMES]) + (f" and {len(once) - MOST_NAMES} more" if len(once) > MOST_NAMES else "")


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(item) for item in value[:MOST_VALUES]]
    return (
        value if isinstance(value, bool | int | float) else printable(value if isinstance(value, str) else str(value))
    )
