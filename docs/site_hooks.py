"""What the site takes from outside of `docs/`: README, CHANGELOG, CONTRIBUTING, the benchmarks' page and the JSON Schemas.

Links are written for the repository, where they lead to files; here they are turned to the site's own pages.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "THIRD_PARTY_NOTICES.md": "third-parties.md",
    "benchmarks/README.md": "benchmarks.md",
}
SCHEMAS = {
    f"src/oddpixel/schemas/{path.name}": f"schemas/{path.name}" for path in ROOT.glob("src/oddpixel/schemas/*.json")
}
OUTSIDE = PAGES | SCHEMAS
FROM = {site: source for source, site in OUTSIDE.items()}
# In the search: what one reads first before what was tried and decided.
BOOSTS = (
    ("tutorials/", 3),
    ("likelihood", 2),
    ("flag", 2),
    ("audit", 2),
    ("generate", 2),
    ("adr/", 0.3),
    ("changelog", 0.3),
    ("benchmarks", 0.3),
    ("training", 0.5),
)
NO_LINK = "\0"  # stands where the target of a link was that the site does not have
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")


def on_startup(**_: Any) -> None:
    """Lay out the package for the reference: its reader takes no folder without `__init__.py`, as `datasets` is on purpose."""
    package = ROOT / "build/reference/oddpixel"
    shutil.rmtree(package, ignore_errors=True)
    (package / "datasets").mkdir(parents=True)
    for path in (ROOT / "src/oddpixel").iterdir():
        if path.name != "datasets":
            (package / path.name).symlink_to(path)
    for path in (ROOT / "datasets").iterdir():
        (package / "datasets" / path.name).symlink_to(path)
    (package / "datasets/__init__.py").touch()


def on_files(files: Files, config: Any) -> Files:
    """Add them under their names on the site."""
    for source, site in OUTSIDE.items():
        files.append(File.generated(config, site, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links: by the file that they lead to in the repository, seen from where the page lies there."""
    own = page.file.src_uri
    page.meta.setdefault("search", {"boost": next((boost for start, boost in BOOSTS if own.startswith(start)), 1)})
    folder = Path(FROM[own]).parent if own in FROM else Path("docs", own).parent

    def turned(match: re.Match[str]) -> str:
        target = os.path.normpath(folder / match[2])
        if target in OUTSIDE:
            site = OUTSIDE[target]
        elif target.startswith("docs/"):
            site = target.removeprefix("docs/")
        else:  # a file of the repository alone: its name is enough
            return f"]({match[2]}{match[3]}" if not (ROOT / target).exists() else "]" + NO_LINK
        return f"]({os.path.relpath(site, Path(own).parent)}{match[3]}"

    return re.sub(r"\[([^\]]*)\]" + NO_LINK, r"\1", LINK.sub(turned, markdown))
