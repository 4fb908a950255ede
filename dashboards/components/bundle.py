"""One script from the ES modules of a component, since Streamlit takes a component's script as one string.

Each module becomes a function that is called once, behind those that it imports:

    import { clamp } from "../shared/numbers.js";        const { clamp } = modules["shared/numbers.js"];
    export function fit(image, pane) { ... }             function fit(image, pane) { ... }

That is all that is translated, in the form that the formatter gives it; whatever else imports or exports is refused. Served one
by one, some thirty modules would delay a first visit (measured on two busy cores: 0.16 s the grid, 0.3 s the viewer).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import partial
from importlib.resources.abc import Traversable

IMPORT = re.compile(r'^import \{\s+(\w+(?:,\s+\w+)*),?\s+\} from "(\.{1,2}/[\w./-]+\.js)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:default )?((?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
UNTRANSLATED = re.compile(r"^(?:import|export)\b.*|\bimport\(.*", re.MULTILINE)


def bundle(folder: Traversable, entry: str) -> str:
    """The script whose default export is what the module `entry` exports by default, with all that it imports.

    Arguments:
        entry: a path in `folder`, for example `viewer/index.js`.
    """
    parts = [_function_of(path, source) for path, source in _in_order(folder, entry, ())]
    (default,) = re.findall(r"^export default function (\w+)", _source(folder, entry), re.MULTILINE)
    return "\n".join(
        ["const modules = {};", *dict.fromkeys(parts), f"export default modules[{_quoted(entry)}].{default};\n"]
    )


def _in_order(folder: Traversable, path: str, importers: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Paths and sources of a module and all that it imports, each behind its imports; a module may come several times."""
    assert path not in importers, f"modules import each other: {' -> '.join((*importers, path))}"
    source = _source(folder, path)
    for match in IMPORT.finditer(source):
        yield from _in_order(folder, _resolved(path, match[2]), (*importers, path))
    yield path, source


def _function_of(path: str, source: str) -> str:
    names = [match[2] for match in EXPORT.finditer(source)]
    body = EXPORT.sub(r"\1", IMPORT.sub(partial(_binding, path), source))
    rest = UNTRANSLATED.search(body)
    assert rest is None, f"{path} imports or exports in another form than the bundle knows: {rest and rest[0]}"
    return f"modules[{_quoted(path)}] = (() => {{\n{body}return {{ {', '.join(names)} }};\n}})();"


def _binding(path: str, match: re.Match[str]) -> str:
    return f"const {{ {' '.join(match[1].split())} }} = modules[{_quoted(_resolved(path, match[2]))}];"


def _source(folder: Traversable, path: str) -> str:
    return folder.joinpath(*path.split("/")).read_text(encoding="utf-8")


def _resolved(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _quoted(path: str) -> str:
    return f'"{path}"'
