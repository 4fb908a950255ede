"""Detectors and models that people hand on: wrong types, bytes changed at random, sizes nobody meant. A typed error, at once."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from oddpixel.errors import CorruptWeights, OddPixelError
from oddpixel.forensics.density.store import find_model, load_model
from oddpixel.forensics.detect import store
from oddpixel.generation.cascade import load_cascade, save_cascade
from tests.forensics.detect.test_detector import surface
from tests.shared import surfaces


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(surfaces(24), tmp_path / "detector"))


def rewritten(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_untouched_one_loads(folder: Path) -> None:
    assert store.load(folder).calibrated_.num_groups > 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": "../../somewhere"}, "model"),
        ({"model": 7}, "model"),
        ({"channels": "all"}, "channels"),
        ({"channels": [[]]}, "channels[0]"),
        ({"options": {"side": 2**63}}, "options.side"),
        ({"options": {"seed": "x"}}, "options.seed"),
        ({"num_calibration_groups": 1e400}, "number"),
        ({"fitted_on": {}}, "fitted_on"),
        ({"channels_sha256": None}, "channels_sha256"),
    ],
)
def test_wrong_types_are_named(fields: dict[str, Any], field: str, folder: Path) -> None:
    rewritten(folder / "detector.json", **fields)
    with pytest.raises(OddPixelError, match=r"detector\.json is damaged") as caught:
        store.load(folder)
    assert field in str(caught.value)


def edited(folder: Path, **options: Any) -> None:
    path = folder / "detector.json"
    record = json.loads(path.read_text())
    rewritten(path, options=record["options"] | options)


def test_settings_that_were_edited_are_refused_by_name(folder: Path) -> None:
    """The calibration holds for the settings that it was made with: with others the promise would be void."""
    path = folder / "detector.json"
    before = path.read_bytes()
    record = json.loads(before)
    changes: dict[str, Any] = {
        "channels": record["channels"][:-1],
        "reserves": dict(list(record["reserves"].items())[:-1]),
        "encoder": None,
        "levels": {"obeys_depth": False, "learned": None},
        "num_calibration_groups": 100_000,
        "fitted_on": [],
        "options": record["options"] | {"side": 64},
    }
    for name, value in changes.items():
        rewritten(path, **{name: value})
        with pytest.raises(OddPixelError, match=rf"detector\.json: {name} changed since"):
            store.load(folder)
        path.write_bytes(before)
    for option, value in {"aligned": True, "alpha": 0.2, "seed": 5, "channels": ["typicality"]}.items():
        edited(folder, **{option: value})
        with pytest.raises(OddPixelError, match="options changed since"):
            store.load(folder)
        path.write_bytes(before)
    assert store.load(folder).calibrated_.num_groups > 0


@pytest.mark.parametrize("channels", [slice(0, -1), slice(0, 1), [0, 0], slice(0, 0), slice(None, None, -1)])
def test_channels_are_those_that_were_fitted_even_without_a_seal(channels: Any, folder: Path) -> None:
    path, record = folder / "channels.safetensors", json.loads((folder / "detector.json").read_text())
    save_file(load_file(path), path)
    names = record["channels"]
    others = [names[k] for k in channels] if isinstance(channels, list) else names[channels]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rewritten(folder / "detector.json", channels=others, channels_sha256=digest)
    if sorted(others) == sorted(names):  # their order means nothing
        assert store.load(folder).score([surface(1)]) == store.load(folder).score([surface(1)])
        return
    with pytest.raises(OddPixelError, match="names the channels"):
        store.load(folder)


@pytest.mark.parametrize("name", ["detector.json", "channels.safetensors", "calibration.parquet"])
def test_a_pipe_in_place_of_a_file_is_an_error(name: str, folder: Path) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(OddPixelError):
        store.load(folder)


def test_arrays_that_agree_with_their_hash_and_not_with_each_other(folder: Path) -> None:
    path = folder / "channels.safetensors"
    arrays = load_file(path)
    for change in ("cut", "infinite", "missing", "text"):
        damaged = dict(arrays)
        for name in [name for name in arrays if name.startswith("channel:")]:
            if change == "cut":
                damaged[name] = arrays[name][..., :0]
            elif change == "infinite":
                damaged[name] = np.full_like(arrays[name], np.inf) if arrays[name].dtype.kind == "f" else arrays[name]
            elif change == "missing":
                del damaged[name]
            else:
                damaged[name] = arrays[name].astype(np.uint8)[..., None]
        save_file({name: np.ascontiguousarray(value) for name, value in damaged.items()}, path)
        rewritten(folder / "detector.json", channels_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        if change == "text":  # other types may load; what they judge is an error of theirs, or a score
            continue
        with pytest.raises(OddPixelError):
            store.load(folder).score_samples([surface(1)])


@pytest.mark.parametrize(
    "network",
    [
        {"num_blocks": 2**63}, {"width": 4096}, {"width": 2**31}, {"num_networks": 10**9}, {"detail_std": [[1e308] * 3]},
        {"width": "64"}, {"channels": -1}, {"coarsest": 0}, {"num_levels": 10**12}, {"base_blocks": 1.5}, {"unknown": 1},
    ],
)  # fmt: skip
def test_sizes_that_nobody_meant_are_refused_before_anything_is_built(network: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(find_model("photo-grey"), tmp_path / "model")
    path = tmp_path / "model/model.json"
    content = json.loads(path.read_text())
    content["network"] |= network
    path.write_text(json.dumps(content))
    with pytest.raises(OddPixelError):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("where", ["b", "c", "a", "guidance"])
def test_a_cascade_of_such_sizes_is_refused(where: str, tmp_path: Path) -> None:
    from tests.generation.test_training import cascade

    save_cascade(tmp_path, cascade(), {"title": "tiny", "stages": {}})
    content = json.loads((tmp_path / "model.json").read_text())
    for name, value in content["options"][where].items():
        if isinstance(value, int) and not isinstance(value, bool):
            content["options"][where][name] = 2**63
            break
    else:
        content["options"][where]["widths"] = [2**63]
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(OddPixelError, match="damaged"):
        load_cascade(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "changed"),
    [
        ("heat:", lambda value: value[:0]), ("heat:", lambda value: value[None]), ("heat:", lambda value: value * np.nan),
        ("heat:", None), (":centre", lambda value: value[:-1]), (":scale", lambda value: value[:-1]),
        (":scale", lambda value: -value), (":root", lambda value: value[:-1]), (":root", lambda value: 0 * value),
        (":bank", lambda value: value[:, :-1]), (":images", lambda value: value[..., :-1]),
        ("scale:", lambda value: np.array([value[0], 1e-320])), ("scale:", lambda value: value[:1]),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_together_are_refused_when_loaded(pattern: str, changed: Any, folder: Path) -> None:
    path = folder / "channels.safetensors"
    arrays = load_file(path)
    names = [name for name in arrays if (name.startswith if pattern.endswith(":") else name.endswith)(pattern)]
    assert names
    for name in names:
        damaged = dict(arrays)
        if changed is None:
            del damaged[name]
        else:
            damaged[name] = np.ascontiguousarray(changed(arrays[name]))
        save_file(damaged, path)
        rewritten(folder / "detector.json", channels_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        with pytest.raises(CorruptWeights):
            store.load(folder)


@pytest.mark.parametrize(("column", "value"), [("raw", np.inf), ("heat_max", np.nan)])
def test_calibrations_that_are_not_finite_are_refused(column: str, value: float, folder: Path) -> None:
    path = folder / "calibration.parquet"
    table = pd.read_parquet(path)
    table.loc[0, column] = value
    table.to_parquet(path, index=False)
    weights = folder / "channels.safetensors"
    save_file(load_file(weights), weights)  # without the seal
    digests = {"calibration_sha256": path, "channels_sha256": weights}
    rewritten(
        folder / "detector.json",
        **{name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in digests.items()},
    )
    with pytest.raises(CorruptWeights, match="not finite"):
        store.load(folder)


@pytest.mark.stress
def test_bytes_changed_at_random(folder: Path) -> None:
    """Each file in turn, the hashes made to agree again where that is possible: loaded, or a typed error."""
    generator = random.Random(0)
    originals = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    outcomes = {"loaded": 0, "refused": 0}
    for _ in range(120):
        path = generator.choice(sorted(originals))
        content = bytearray(originals[path])
        for _ in range(generator.choice((1, 2, 30))):
            content[generator.randrange(len(content))] = generator.randrange(256)
        path.write_bytes(content[: generator.choice((len(content), len(content) * 3 // 4))])
        for name, field in (("channels.safetensors", "channels_sha256"), ("calibration.parquet", "calibration_sha256")):
            if path.name == name:
                rewritten(folder / "detector.json", **{field: hashlib.sha256(path.read_bytes()).hexdigest()})
        try:
            store.load(folder)
            outcomes["loaded"] += 1
        except OddPixelError:
            outcomes["refused"] += 1
        for each, before in originals.items():
            each.write_bytes(before)
    assert min(outcomes.values()) > 5, outcomes
