"""Films: what each test of the time line finds and leaves alone, and what the audit says of video files of all sorts."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import DirectDecoder, SandboxedDecoder
from oddpixel.errors import UnreadableInput
from oddpixel.forensics.audit.audited import Options
from oddpixel.forensics.audit.labels import Label
from oddpixel.forensics.audit.run import AuditRun, Handling, audit_into
from oddpixel.forensics.audit.video.audited import examine_film
from oddpixel.forensics.audit.video.checks import TimelineCheck, timeline_checks
from oddpixel.forensics.audit.video.event import REPORTED, Event, apart
from oddpixel.forensics.audit.video.shots import shots_of
from oddpixel.forensics.audit.video.timeline import Timeline, read_timeline
from oddpixel.forensics.runs.table import RunTable
from tests.forensics.audit.films import foreign, pendulum, scrolled, still_shot, tour, usual, write

EDITS = {
    "frozen-frames": lambda frames: (frames[:90] + [frames[90]] * 20 + frames[110:], (90, 109)),
    "missing-frames": lambda frames: (frames[:90] + frames[115:], (89, 90)),
    "repeated-frames": lambda frames: (frames[:120] + frames[30:55] + frames[120:], (120, 144)),
    "interrupted-shot": lambda frames: (frames[:100] + foreign(20) + frames[100:], (100, 119)),
}


def timeline_of(path: Path) -> Timeline:
    decoder = DirectDecoder(Limits(), b"", any_suffix=True)
    with path.open("rb") as file:
        decoder.open(file, path.name)
        return read_timeline(decoder)


def events_of(path: Path) -> list[Event]:
    return examine_film(timeline_of(path), list(timeline_checks().values()))[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untouched film and one edited in each way."""
    place = tmp_path_factory.mktemp("films")
    frames = usual()
    write(place / "untouched.mp4", frames)
    for name, edit in EDITS.items():
        write(place / f"{name}.mp4", edit(list(frames))[0])
    return place


@pytest.fixture(scope="module")
def audited(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditRun:
    return audit_into(tmp_path_factory.mktemp("audit") / "run", (str(folder),), Options(), Handling(with_pdf=True))


@pytest.mark.parametrize("crf", [18, 33])
def test_an_untouched_film_has_no_events(tmp_path: Path, crf: int) -> None:
    for seed in range(3):
        frames = usual(150)[seed * 10 :]
        assert events_of(write(tmp_path / f"{seed}.mp4", frames, crf=crf)) == []


@pytest.mark.parametrize("name", EDITS)
def test_each_edit_is_found_where_it_is_and_nothing_else(folder: Path, name: str) -> None:
    first, last = EDITS[name](usual())[1]
    events = events_of(folder / f"{name}.mp4")
    assert [event.check for event in events] == [name], events
    assert abs(events[0].first - first) <= 3
    assert abs(events[0].last - last) <= 3
    assert events[0].log10_nfa <= REPORTED
    if name == "repeated-frames":
        assert events[0].like is not None
        assert abs(events[0].like[0] - 30) <= 3


def test_a_page_that_is_scrolled_is_no_manipulation(tmp_path: Path) -> None:
    """Where it stops at its end it jumps, which is told as an anomaly, with that as an innocent cause."""
    events = events_of(write(tmp_path / "film.mp4", scrolled()))
    assert {event.check for event in events} <= {"missing-frames"}
    assert "scrolled" in timeline_checks()["missing-frames"].cannot


@pytest.mark.parametrize("film", [tour, pendulum, still_shot])
def test_motion_that_returns_and_shots_that_stand_still_are_no_edits(
    tmp_path: Path, film: Callable[[], list[np.ndarray]]
) -> None:
    assert events_of(write(tmp_path / "film.mp4", film())) == []


def test_what_was_decoded_with_errors_says_nothing(folder: Path) -> None:
    timeline = timeline_of(folder / "missing-frames.mp4")
    checks = list(timeline_checks().values())
    (event,) = examine_film(timeline, checks)[1]
    timeline.facts["is_doubtful"][event.last + 1] = 1
    assert examine_film(timeline, checks)[1] == []


def test_nothing_to_test_is_inconclusive(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "two.mp4", usual(2))
    write(folder / "black.mp4", [np.zeros((120, 160, 3), np.uint8)] * 100)
    write(folder / "flat.mkv", [np.full((2, 2000, 3), 9 * k % 256, np.uint8) for k in range(30)])
    items = {item["item"]: item for item in audit_into(tmp_path / "run", (str(folder),), Options()).items}
    for name in ("two.mp4", "black.mp4"):
        assert items[name]["verdict"]["label"] == Label.INCONCLUSIVE, items[name]
        assert "finding nothing means nothing" in items[name]["verdict"]["power"]
    assert items["flat.mkv"]["error"] is None, "a film of any shape has a strip"


def test_a_lost_packet_does_not_end_the_film(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for frame in usual(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    content = bytearray(path.read_bytes())
    at = content.rindex(b"\xff\xc4", 0, len(content) - len(content) // 4) + 5
    content[at : at + 16] = b"\xff" * 16  # a Huffman table that is none
    path.write_bytes(content)
    timeline = timeline_of(path)
    assert 50 <= len(timeline) < 60
    assert timeline.facts["is_doubtful"].any()


def test_stamps_that_go_back_or_come_unevenly(tmp_path: Path) -> None:
    facts = {name: np.zeros(4) for name in ("kind", "is_key", "num_bytes", "intra", "is_doubtful")}
    pictures = np.zeros((4, 27, 48), np.float16)
    back = Timeline(facts | {"time_s": np.array([0.0, 0.04, 0.0, 0.04])}, pictures)
    np.testing.assert_allclose(back.clock, [0, 0.04, 0.08, 0.12])
    assert back.seconds == pytest.approx(0.16)
    none = Timeline(facts | {"time_s": np.full(4, np.nan)}, pictures)
    np.testing.assert_allclose(none.clock, [0, 0.04, 0.08, 0.12])
    path, random = tmp_path / "uneven.mkv", np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, stamp in zip(usual(100), np.cumsum(random.integers(20, 60, 100)), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = int(stamp), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    decoder = DirectDecoder(Limits(), b"", any_suffix=True)
    with path.open("rb") as file:
        assert "notes" not in decoder.open(file, path.name).header.meta, "a variable rate promises no number of frames"


def test_a_cut_is_a_shot_and_no_event(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.mp4", [*usual(80), *foreign(80)])
    timeline = timeline_of(path)
    findings, events = examine_film(timeline, list(timeline_checks().values()))
    assert events == []
    shots = shots_of(timeline, [])
    assert [(shot.first, shot.last) for shot in shots] == [(0, 79), (80, 159)]
    assert {shot.label for shot in shots} == {Label.NOTHING_FOUND}
    assert {finding.status for finding in findings} <= {"no-evidence", "not-applicable"}


def test_a_still_film_says_that_its_frames_cannot_be_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "slide.mp4", [usual(1)[0]] * 60)
    (shot,) = shots_of(timeline_of(path), [])
    assert shot.label == Label.INCONCLUSIVE
    assert events_of(path) == []


def test_verdicts_shots_and_reports(audited: AuditRun) -> None:
    items = {item["item"].removesuffix(".mp4"): item for item in audited.items}
    expected = {name: check.about for name, check in timeline_checks().items()}
    labels = {"manipulation": Label.MANIPULATION, "anomaly": Label.ANOMALOUS}
    assert items["untouched"]["verdict"]["label"] == Label.NOTHING_FOUND
    assert "repeated frames" in items["untouched"]["verdict"]["power"]
    assert "inserted frames" not in items["untouched"]["verdict"]["power"], "no test of them applied"
    for name, about in expected.items():
        verdict = items[name]["verdict"]
        assert verdict["label"] == labels[about], name
        assert name in verdict["because"][0]
        folder = audited.run.path / items[name]["report"]
        record = json.loads((folder / "report.json").read_text())
        assert [event["check"] for event in record["timeline"]["events"]] == [name]
        assert labels[about] in {shot["label"] for shot in record["timeline"]["shots"]}
        assert (folder / record["timeline"]["picture"]).read_bytes().startswith(b"\x89PNG")
        page = (folder / "report.html").read_text()
        assert "Time line" in page
        assert "data:image/jpeg" in page
        assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
        assert "frames of video" in page, "what no test looked at is said"
    rows = {row.item.removesuffix(".mp4"): row for row in RunTable(audited.run).rows()}
    assert rows["untouched"].flagged is False
    assert rows["repeated-frames"].flagged is True
    assert rows["repeated-frames"].thumbnail is not None


def test_reports_of_films_repeat_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    path = folder / "missing-frames.mp4"
    reports = [
        (run.path / run_items[0]["report"] / "report.json").read_bytes()
        for run, run_items in (
            (done.run, done.items)
            for done in (audit_into(tmp_path / name, (str(path),), Options()) for name in ("first", "second"))
        )
    ]
    assert reports[0] == reports[1]


def test_only_the_named_tests_run(folder: Path, tmp_path: Path) -> None:
    path = str(folder / "repeated-frames.mp4")
    only = audit_into(tmp_path / "only", (path,), Options(checks="frozen-frames,jpeg-grid"))
    assert [finding["check"] for finding in only.items[0]["findings"]] == ["frozen-frames"]
    altered = audit_into(tmp_path / "altered", (path,), Options(checks="frozen-frames", sensitivity=True))
    assert "only pictures are altered" in (altered.run.path / altered.items[0]["report"] / "report.html").read_text()
    none = audit_into(tmp_path / "none", (path,), Options(checks="jpeg-grid"))
    assert none.items[0]["verdict"]["label"] == Label.INCONCLUSIVE


def test_damaged_and_odd_films_end_in_words_or_a_report(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "untouched.mp4").read_bytes()
    (tmp_path / "cut-short.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head.mp4").write_bytes(whole[:64])
    damaged = bytearray(whole)
    damaged[len(whole) // 3 : len(whole) // 2 : 7] = b"\xff" * len(damaged[len(whole) // 3 : len(whole) // 2 : 7])
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    write(tmp_path / "one.mp4", usual(1))
    write(tmp_path / "two.mp4", usual(2))
    (tmp_path / "photo.jpg.mp4").write_bytes(b"\xff\xd8\xff\xe0nothing")
    items = {item["item"]: item for item in audit_into(tmp_path / "run", (str(tmp_path),), Options()).items}
    for name in ("cut-short.mp4", "head.mp4", "photo.jpg.mp4"):
        assert items[name]["error"] is None or items[name]["error"]["message"], name
    for name in ("one.mp4", "two.mp4"):
        assert items[name]["error"] is None, items[name]
        assert items[name]["verdict"]["label"] == Label.INCONCLUSIVE


def test_the_sandbox_gives_the_same_time_line_in_any_pieces(folder: Path) -> None:
    path, decoder = folder / "untouched.mp4", SandboxedDecoder(Limits(), b"", any_suffix=True)
    try:
        with path.open("rb") as file:
            decoder.open(file, path.name)
            pieces = [decoder.timeline(start, 70) for start in (0, 70, 140)]
            assert [len(piece) for piece in pieces] == [70, 70, 60]
            again = decoder.timeline(0, 200)
            np.testing.assert_array_equal(np.concatenate(pieces), again)
            assert len(decoder.timeline(200, 70)) == 0
            assert decoder.frame(3).array.shape == (3, 120, 160), "frames can still be asked for"
            with pytest.raises(UnreadableInput, match="from its beginning"):
                decoder.timeline(50, 10)
            assert "encoder" in decoder.tags()
    finally:
        decoder.close()


def test_a_picture_has_no_time_line(tmp_path: Path) -> None:
    from PIL import Image as Pillow

    Pillow.fromarray(usual(1)[0]).save(tmp_path / "a.png")
    decoder = DirectDecoder(Limits(), b"")
    with (tmp_path / "a.png").open("rb") as file:
        decoder.open(file, "a.png")
        assert decoder.tags() == {}
        with pytest.raises(UnreadableInput, match="has no time line"):
            decoder.timeline(0, 10)


def test_what_a_film_declares_is_told(folder: Path, tmp_path: Path) -> None:
    done = audit_into(tmp_path / "run", (str(folder / "untouched.mp4"),), Options())
    record: dict[str, Any] = json.loads((done.run.path / done.items[0]["report"] / "report.json").read_text())
    facts = {fact["name"]: fact["value"] for fact in record["facts"]}
    assert facts["codec"] == "h264"
    assert "Lavf" in facts["tag encoder"]
    assert facts["frames by type"].count("I") == 1
    assert record["gate"]["frames"] == 200
    assert record["aids"] == []


def test_the_strongest_of_overlapping_events_is_kept() -> None:
    weak, strong, other = (
        Event("a", first, last, nfa, "") for first, last, nfa in ((0, 9, -3), (5, 12, -9), (20, 21, -2))
    )
    assert apart([weak, strong, other]) == [strong, other]


@pytest.mark.parametrize("check", timeline_checks().values(), ids=lambda each: each.name)
def test_every_test_keeps_its_contract(check: TimelineCheck) -> None:
    assert isinstance(check, TimelineCheck)
    for count in (1, 2, 5, 12, 45):
        pictures = np.random.default_rng(count).normal(128, 40, (count, 27, 48)).astype(np.float16)
        facts = {name: np.zeros(count) for name in ("time_s", "kind", "is_key", "num_bytes", "intra", "is_doubtful")}
        timeline = Timeline(facts, pictures)
        if check.applies(timeline) is None:
            assert all(0 <= event.first <= event.last < count for event in check.find(timeline))
