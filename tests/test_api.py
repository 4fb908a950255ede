"""The four jobs as calls from Python: the same results as the commands', as tables, pages and figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import oddpixel
from oddpixel.commands.demonstration import demo_files, write_images
from oddpixel.places import as_places, default_folder
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of a real photograph of grass, and what comes in, as `oddpixel demo` writes them."""
    place = tmp_path_factory.mktemp("demo")
    write_images(place)
    return place


@pytest.fixture(scope="module")
def detector(images: Path) -> oddpixel.Detector:
    return oddpixel.Detector(encoder=None, chooses=False).fit(oddpixel.open_source(images / "normals"))


@pytest.fixture
def photograph() -> str:
    return next(path for path in demo_files() if path.endswith("china.jpg"))


def test_flagging_is_one_call(images: Path, detector: oddpixel.Detector, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    flagged = oddpixel.flag(
        images / "incoming", detector, out=tmp_path / "run", on_progress=lambda *step: told.append(step)
    )
    table = flagged.to_pandas()
    assert list(table.columns[:5]) == ["item", "group", "p_value", "q_value", "flagged"]
    rows = table.set_index("item")
    assert rows.loc["chelsea.png", "flagged"]
    assert rows.loc["MR_truncated.dcm", "error"]["type"] == "CorruptFile"
    assert told[-1] == ("flagging", len(table), len(table))
    assert len(flagged) == len(table)
    assert "groups flagged. At most 0.05 of normal groups" in flagged.headline()
    page = flagged._repr_html_()
    assert flagged.headline() in page
    assert 'src="data:image/webp;base64,' in page
    for name in ("scores", "overlays"):
        assert flagged.plot(name)._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    with pytest.raises(oddpixel.OddPixelError, match="no plot 'roses'; there are"):
        flagged.plot("roses")
    with pytest.raises(oddpixel.OddPixelError, match="no statement of power"):
        flagged.plot("power")


def test_the_call_and_the_command_give_the_same(images: Path, detector: oddpixel.Detector, tmp_path: Path) -> None:
    from oddpixel.forensics.runs.run import Run
    from oddpixel.forensics.runs.table import RunTable

    called = oddpixel.flag(images / "incoming", detector, out=tmp_path / "called", alpha=0.1)
    kept = tmp_path / "called-detector"
    command = [sys.executable, "-m", "oddpixel", "flag", images / "incoming", "--detector", kept, "--alpha", "0.1"]
    done = subprocess.run(
        [*map(str, command), "-o", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert called.headline() in done.stdout
    by_item = {row.item: row for row in RunTable(Run.open(tmp_path / "run")).rows()}
    for row in called.rows:
        assert (row.raw, row.p_value, row.flagged) == (
            by_item[row.item].raw, by_item[row.item].p_value, by_item[row.item].flagged,
        )  # fmt: skip


def test_auditing_is_one_call(photograph: str, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    audited = oddpixel.audit(
        [photograph, tmp_path / "broken.jpg"], out=tmp_path / "run", checks="jpeg-grid", aids=False
    )
    good, bad = audited.to_pandas().to_dict("records")
    assert Path(good["report"]).is_file()
    assert good["label"]
    assert "broken.jpg" in bad["item"]
    assert bad["error"]
    assert "No result here says that an image is authentic" in audited._repr_html_()
    assert audited.plot().axes


def test_a_pdf_that_cannot_be_made_is_refused_before_any_work(
    photograph: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oddpixel.forensics.audit.report import pdf

    monkeypatch.setattr(pdf, "find_spec", lambda name: None)
    with pytest.raises(oddpixel.OddPixelError, match=r"pip install 'oddpixel\[pdf\]'"):
        oddpixel.audit(photograph, out=tmp_path / "run", pdf=True)
    assert not (tmp_path / "run").exists()


def test_measuring_is_one_call(photograph: str, tmp_path: Path) -> None:
    measured = oddpixel.density(photograph, maps=tmp_path / "maps")
    (record,) = measured
    assert measured.to_pandas()["bits_per_dim"][0] == record["bits_per_dim"]
    assert 2 < record["bits_per_dim"] < 5
    assert (tmp_path / "maps" / record["map"]).is_file()
    assert "data:image/webp" in measured._repr_html_()
    assert measured.plot().axes


def test_generating_is_one_call(tmp_path: Path) -> None:
    parts = set()
    made = oddpixel.generate(
        "photograph", size="128x128", steps=2, out=tmp_path, on_progress=lambda part, done, total: parts.add(part)
    )
    assert [path.name for path in made.paths] == ["000000.png"]
    assert parts
    assert made.to_pandas()["synthetic"].all()
    assert "1 synthetic picture" in made._repr_html_()
    assert made.plot().axes


def test_names_from_elsewhere_are_text_in_a_page(photograph: str, tmp_path: Path) -> None:
    (tmp_path / "<script>.png").write_bytes(b"no")
    audited = oddpixel.audit(tmp_path / "<script>.png", out=tmp_path / "run")
    assert "<script>" not in audited._repr_html_()
    assert "&lt;script&gt;" in audited._repr_html_()


def test_places_are_one_or_several(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()
    assert as_places("a") == ("a",)
    assert as_places(Path("a")) == ("a",)
    assert as_places(["a", Path("b")]) == ("a", "b")
    assert default_folder([str(tmp_path / "v1.2")], "flagged") == Path("v1.2-flagged")
    assert default_folder(["scans/x.dcm"], "audit") == Path("x-audit")
    assert default_folder(["corpus:photographs/test"], "flagged") == Path("test-flagged")
    assert default_folder(["../../*?"], "audit") == Path("audit")
    assert default_folder(["/"], "audit") == Path("audit")


def test_importing_is_quick_and_quiet() -> None:
    """Nothing heavy is loaded, every name is there, and a logged warning reaches nobody who did not ask."""
    program = """
import sys, oddpixel, logging
print(sorted({'torch', 'numpy', 'pandas', 'typer', 'rich'} & set(sys.modules)))
logging.getLogger('oddpixel.datasets.source').warning('a note')
print([name for name in oddpixel.__all__ if not hasattr(oddpixel, name)], callable(oddpixel.flag))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.splitlines() == ["[]", "[] True"]
    assert done.stderr == ""
