"""A detector's folder. No pickle, ever: whatever is in it, loading it runs nothing.

detector.json          options, channels, names and hashes of model and weights, what was left out
channels.safetensors   what the channels learnt, and the scales of their scores; in its metadata, digests of `SETTINGS`
calibration.parquet    one row a calibration image
power.parquet          one row an anomaly planted into them, where `fit` did that
model/                 the density model, where it is none of the bundled ones
encoder/               the encoder, where it is a file or folder of the user's own
README.md              the card
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from torch import nn

from oddpixel import __version__, records
from oddpixel.encoders import EFFICIENTNET_LITE0, is_path
from oddpixel.envelope import plain
from oddpixel.errors import CorruptWeights, MissingWeights, OddPixelError, RunError, UsageError
from oddpixel.forensics.density.store import find_model
from oddpixel.image import Image

from . import encoders
from .calibrated import Calibrated
from .card import write_card
from .channels import Channel, kinds
from .detector import Detector
from .detector_schema import DETECTOR
from .evidence import Evidence
from .fusion import Scale
from .guarantee import guarantee, smallest_alpha
from .levels import Levels
from .power import Power, as_json

logger = logging.getLogger(__name__)

SCHEMA = "oddpixel/detector/2"
EARLIER = "oddpixel/detector/1"
FILES = ("detector.json", "channels.safetensors", "calibration.parquet", "power.parquet", "README.md")
OPTIONS = (
    "side",
    "aligned",
    "channels",
    "calibration_share",
    "chooses",
    "max_fit",
    "alpha",
    "confidence",
    "seed",
    "normal_labels",
)
LEAST_DEVIATION = 1e-9  # of a channel's score; what is known of it beforehand keeps it far above
TRIED = 64  # pixels a side of the image that a loaded detector is tried on
# Fields of detector.json that scores or promises depend on: the calibration holds for these alone.
SEAL = "settings"  # the key of their digests
SETTINGS = (
    "model", "model_sha256", "encoder", "encoder_sha256", "options", "channels", "reserves", "levels", "calibration_sha256",
    "power_sha256",
    "num_calibration_groups", "num_calibration_images", "fitted_on", "doubts",
)  # fmt: skip
# What became black and white in detectors of versions that learned no levels: the container's width, each image's percentiles.
OLD_LEVELS = {"obeys_depth": False, "learned": None}


def save(detector: Detector, folder: Path) -> Path:
    """Write it; an earlier detector in the folder is replaced, anything else is not touched.

    Raises: RunError where the folder holds something else or cannot be written; UsageError for a model that is no folder.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "detector.json").is_file():
        raise RunError(f"{folder} holds something other than a detector; name an empty or new folder")
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        _write(detector, temporary)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


def _write(detector: Detector, folder: Path) -> None:
    if not isinstance(detector.model, str | Path):
        raise UsageError("a detector is saved with its model's name or folder; give `model` as one of them")
    arrays: dict[str, np.ndarray] = {}
    for name, channel in detector.channels_.items():
        arrays |= {f"channel:{name}:{key}": value for key, value in channel.state().items()}
    arrays |= {f"scale:{name}": np.array([scale.mean, scale.deviation]) for name, scale in detector.scales_.items()}
    arrays |= {f"heat:{name}": evidence.reference for name, evidence in detector.heat_evidence_.items()}
    arrays |= {f"places:{name}": np.array([evidence.count]) for name, evidence in detector.heat_evidence_.items()}
    detector.calibrated_.table().to_parquet(folder / "calibration.parquet", index=False)
    if detector.power_ is not None:
        detector.power_.table().to_parquet(folder / "power.parquet", index=False)
    model = find_model(detector.model)
    bundled = not Path(detector.model).is_dir()
    if not bundled:
        (folder / "model").mkdir()
        for name in ("model.json", "model.safetensors", "README.md"):
            if (model / name).is_file():
                shutil.copy(model / name, folder / "model" / name)
    encoder, encoder_sha256 = _kept_encoder(detector, folder)
    record = {
        "schema": SCHEMA,
        "version": __version__,
        "model": detector.model if bundled else "model",
        "model_sha256": _digest(model / "model.safetensors"),
        "encoder": encoder,
        "encoder_sha256": encoder_sha256,
        "options": {name: getattr(detector, name) for name in OPTIONS},
        "channels": list(detector.channels_),
        "reserves": detector.reserves_,
        "calibration_sha256": _digest(folder / "calibration.parquet"),
        "power_sha256": None if detector.power_ is None else _digest(folder / "power.parquet"),
        "num_calibration_groups": detector.calibrated_.num_groups,
        "num_calibration_images": len(detector.calibrated_.rows),
        "fitted_on": list(detector.fitted_on_),
        "left_out": list(detector.left_out_),
        "doubts": list(detector.doubts_),
        "group_from": detector.group_from_,
        "selection": detector.selection_,
        "power": _power_in_words(detector),
        "levels": {
            "obeys_depth": detector.obeys_depth_,
            "learned": None if detector.levels_ is None else detector.levels_.as_json(),
            "depths": detector.depths_,
            "came_in": detector.came_in_,
        },
    }
    contiguous = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    save_file(contiguous, folder / "channels.safetensors", metadata=_seal(record))
    # safetensors writes for the owner alone; a detector is handed on, so it is as readable as the files beside it.
    (folder / "channels.safetensors").chmod((folder / "calibration.parquet").stat().st_mode & 0o777)
    record["channels_sha256"] = _digest(folder / "channels.safetensors")
    (folder / "detector.json").write_text(json.dumps(plain(record), indent=2, allow_nan=False) + "\n")
    write_card(folder / "README.md", record)


def _kept_encoder(detector: Detector, folder: Path) -> tuple[str | None, str | None]:
    """What the folder says of the encoder, whose files it keeps, and the digest of these."""
    if isinstance(detector.encoder, str):
        return encoders.keep(detector.encoder, folder)
    return "given by caller" if detector.encoder else None, None


def _power_in_words(detector: Detector) -> dict[str, Any] | None:
    """What is found at the detector's own rate of false alarms, or at the smallest that it can promise."""
    groups = detector.calibrated_.num_groups
    alpha = max(detector.alpha, smallest_alpha(groups))
    found = detector.power(guarantee(groups, alpha))
    return {"alpha": alpha, **as_json(found)} if found else None


def load(folder: Path, encoder: str | nn.Module | None = None, device: str = "cpu") -> Detector:
    """A detector as it was saved.

    Arguments:
        encoder: needed where it was fitted with a function or module of the caller's own: a folder may not name code to run.
        device: where the encoder runs.

    Raises: MissingWeights, CorruptWeights, UsageError, ModelError.
    """
    record = read_record(folder)
    _check_seal(folder, record)
    arrays = _read_arrays(folder / "channels.safetensors")
    if _digest(folder / "calibration.parquet") != record["calibration_sha256"]:
        raise CorruptWeights(f"{folder / 'calibration.parquet'} is not what the detector was saved with")
    power = _read_power(folder / "power.parquet", record["power_sha256"])
    encoder = _encoder(record, folder, encoder)
    model = folder / "model" if record["model"] == "model" else record["model"]
    detector = Detector(model=str(model), encoder=encoder, device=device, **record["options"])
    is_asked = any(kinds()[name].needs in ("density", "probes") for name in record["channels"] if name in kinds())
    # A bundled model that no channel asks may be a later version's.
    is_bound = is_asked or model != record["model"]
    if is_bound and _digest(find_model(model) / "model.safetensors") != record["model_sha256"]:
        raise CorruptWeights(f"the model {record['model']} has changed since {folder} was fitted; fit it again")
    _check_channels(folder, record, arrays)
    _restore_levels(detector, record)
    detector.observer_ = detector.new_observer()
    detector.channels_ = {}
    for name in record["channels"]:
        if name not in kinds():
            raise CorruptWeights(f"{folder} has a channel {name!r} that this version does not know")
        detector.channels_[name] = _restored(name, arrays, folder)
    detector.reserves_ = dict(record["reserves"])
    detector.scales_ = _scales(arrays, folder)
    detector.heat_evidence_ = _evidence(arrays, "heat:", folder)
    detector.fitted_on_, detector.left_out_ = tuple(record["fitted_on"]), tuple(record["left_out"])
    detector.calibrated_ = _read_calibration(folder / "calibration.parquet")
    _check_calibration(folder, record, detector.calibrated_)
    detector.power_, detector.doubts_ = power, tuple(record["doubts"])
    detector.group_from_ = record.get("group_from")
    _try_out(detector, folder)
    return detector


def _encoder(record: dict[str, Any], folder: Path, given: str | nn.Module | None) -> str | nn.Module | None:
    """The encoder to load a detector with. Raises: UsageError, CorruptWeights."""
    named, digest = record["encoder"], record.get("encoder_sha256")
    own = None if named is None else encoders.kept(named, folder)
    if given is None and own is None and named not in (None, EFFICIENTNET_LITE0):
        raise UsageError(f"{folder} was fitted with the encoder {named!r}; name it again to load the detector")
    encoder = given or own or named
    is_files = isinstance(encoder, str) and (encoder == own or is_path(encoder))
    if (digest is not None or own) and is_files and encoders.digest(Path(str(encoder))) != digest:
        raise CorruptWeights(f"{encoder} is not the encoder that {folder} was fitted with")
    return encoder


def _try_out(detector: Detector, folder: Path) -> None:
    """Judge a plain grey image: whatever does not fit together shows now, and not in the middle of a run.

    Raises: CorruptWeights.
    """
    grey = np.full((1, TRIED, TRIED), 0.5, np.float32)
    unit = detector.prepare_.unit
    image = Image(
        grey, 8 if unit == "display" else 16, unit, None, "trial", hashlib.sha256(grey.data).hexdigest(), "trial"
    )
    try:
        judged = detector.judge(image)
        values = [judged.raw, judged.heat_max, *judged.evidence.values()]
    except (OddPixelError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise CorruptWeights(f"{folder}: what its channels learnt does not fit together: {error}") from error
    if not np.isfinite(values).all():
        raise CorruptWeights(f"{folder}: what its channels learnt gives scores that are not finite")


def read_record(folder: Path) -> dict[str, Any]:
    """`detector.json`. Raises: MissingWeights, CorruptWeights."""
    path = folder / "detector.json"
    if not path.is_file():
        raise MissingWeights(f"{folder} holds no detector; make one with: oddpixel fit NORMALS -o {folder}")
    record = records.read_record(path, DETECTOR, CorruptWeights)
    if record["schema"] == EARLIER:
        raise CorruptWeights(
            f"{folder} was fitted by an earlier version, whose detectors saw in other ways; fit it again on the same normals: "
            f"oddpixel fit NORMALS -o {folder}"
        )
    if record["schema"] != SCHEMA:
        raise CorruptWeights(f"{path} is of schema {record['schema']}, this version reads {SCHEMA}")
    return record


def _seal(record: dict[str, Any]) -> dict[str, str]:
    """The digest of each setting, in one text: safetensors writes several in an order of its own, other bytes every time."""
    return {SEAL: json.dumps({name: _digest_of(record.get(name)) for name in SETTINGS})}


def _sealed(metadata: dict[str, str]) -> dict[str, str]:
    """Digests by setting. Detectors of earlier versions have a text for each. Raises: ValueError."""
    if SEAL not in metadata:
        return metadata
    digests = json.loads(metadata[SEAL])
    if not isinstance(digests, dict):
        raise ValueError("the digests of its settings are damaged")
    return digests


def _digest_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()


def _check_seal(folder: Path, record: dict[str, Any]) -> None:
    """Check channels and settings against the digests kept when the detector was saved.

    Raises: CorruptWeights where a setting is not the one that the detector was saved with.
    """
    path = folder / "channels.safetensors"
    if _digest(path) != record["channels_sha256"]:
        raise CorruptWeights(f"{path} is not what the detector was saved with")
    try:
        with safe_open(path, framework="numpy") as file:
            sealed = _sealed(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CorruptWeights(f"{path} is damaged: {error}") from error
    if not sealed:
        logger.warning("%s was saved by a version that did not seal its settings: they cannot be checked", folder)
        return
    known = [name for name in SETTINGS if name in sealed or record.get(name) is not None]  # earlier versions had fewer
    if edited := [name for name in known if sealed.get(name) != _digest_of(record.get(name))]:
        raise CorruptWeights(
            f"{folder / 'detector.json'}: {', '.join(edited)} changed since the detector was fitted, and its calibration "
            "holds for the earlier settings alone; restore them, or fit again with the new ones"
        )


def _check_channels(folder: Path, record: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Check that the channels named are those that were fitted.

    Raises: CorruptWeights where detector.json names other channels than have scales.
    """
    learnt = {name.removeprefix("scale:") for name in arrays if name.startswith("scale:")}
    if len(set(record["channels"])) != len(record["channels"]) or {*record["channels"]} != learnt:
        raise CorruptWeights(
            f"{folder / 'detector.json'} names the channels {', '.join(record['channels']) or 'none'}, and "
            f"{', '.join(sorted(learnt)) or 'none'} were fitted"
        )
    if not record["reserves"] or len({*record["reserves"]} & learnt) != len(record["reserves"]):
        raise CorruptWeights(
            f"{folder / 'detector.json'} counts channels that were not fitted: {list(record['reserves'])}"
        )


def _check_calibration(folder: Path, record: dict[str, Any], calibrated: Calibrated) -> None:
    """Check that the calibration table belongs to this detector.

    Raises: CorruptWeights where the table is of other channels, or of another size, than detector.json says.
    """
    if other := [row.item for row in calibrated.rows if {*row.evidence} != {*record["channels"]}]:
        raise CorruptWeights(f"{folder / 'calibration.parquet'} was made with other channels (its row {other[0]})")
    if odd := [
        row.item for row in calibrated.rows if not np.isfinite([row.raw, row.heat_max, *row.evidence.values()]).all()
    ]:
        raise CorruptWeights(f"{folder / 'calibration.parquet'} has scores that are not finite (its row {odd[0]})")
    counted = {"num_calibration_groups": calibrated.num_groups, "num_calibration_images": len(calibrated.rows)}
    for name, count in counted.items():
        if record[name] != count:
            raise CorruptWeights(f"{folder / 'detector.json'}: {name} is {record[name]}, the calibration has {count}")


def _restored(name: str, arrays: dict[str, np.ndarray], folder: Path) -> Channel:
    """The channel of that name, restored from its arrays.

    Raises: CorruptWeights where its arrays are missing, of other shapes or types, or not finite.
    """
    channel, prefix = kinds()[name](), f"channel:{name}:"
    state = {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
    try:
        channel.restore(state)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise CorruptWeights(f"{folder}: what the channel {name!r} learnt does not fit together: {error}") from error
    for key, value in state.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise CorruptWeights(f"{folder}: {key!r} of the channel {name!r} is not finite")
    result: Channel = channel
    return result


def _restore_levels(detector: Detector, record: dict[str, Any]) -> None:
    """Restore levels, depths and the selection of training images. Raises: CorruptWeights."""
    levels = record.get("levels", OLD_LEVELS)
    try:
        detector.levels_ = None if levels["learned"] is None else Levels.of_json(levels["learned"])
        detector.obeys_depth_ = bool(levels["obeys_depth"])
        detector.depths_ = None if levels.get("depths") is None else tuple(levels["depths"])
        detector.came_in_ = levels.get("came_in")
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptWeights(f"detector.json has levels that cannot be read: {error}") from error
    detector.selection_ = record.get("selection", {"taken": {}, "left_out": {}})


def _scales(arrays: dict[str, np.ndarray], folder: Path) -> dict[str, Scale]:
    """What scores of each channel are usual. Raises: CorruptWeights."""
    scales = {}
    for name, value in arrays.items():
        if name.startswith("scale:"):
            if value.shape != (2,) or not np.isfinite(value).all() or value[1] < LEAST_DEVIATION:
                raise CorruptWeights(f"{folder}: {name!r} is {value}, not a mean and a deviation")
            scales[name.removeprefix("scale:")] = Scale(float(value[0]), float(value[1]))
    return scales


def _evidence(arrays: dict[str, np.ndarray], prefix: str, folder: Path) -> dict[str, Evidence]:
    """The evidence scales of heat maps. Raises: CorruptWeights."""
    for name, value in arrays.items():
        if name.startswith(prefix) and (value.ndim != 1 or not len(value) or not np.isfinite(value).all()):
            raise CorruptWeights(f"{folder}: {name!r} of shape {value.shape} is no list of finite values")
    learnt = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    return {name: Evidence(value, _places(arrays.get(f"places:{name}"), value)) for name, value in learnt.items()}


def _places(stored: np.ndarray | None, reference: np.ndarray) -> int:
    """How many places of normals a heat map is compared with: of earlier versions' detectors, those that they kept."""
    return len(reference) if stored is None or stored.size != 1 else max(int(stored.flat[0]), 1)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        arrays: dict[str, np.ndarray] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptWeights(f"{path} is damaged: {error}") from error
    return arrays


def _read_calibration(path: Path) -> Calibrated:
    import pandas as pd

    try:
        return Calibrated.from_table(pd.read_parquet(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptWeights(f"{path} cannot be read: {error}") from error


def _read_power(path: Path, digest: str | None) -> Power | None:
    """Raises: CorruptWeights where it is not what the detector was saved with."""
    import pandas as pd

    if digest is None:
        return None
    if _digest(path) != digest:
        raise CorruptWeights(f"{path} is not what the detector was saved with")
    try:
        return Power.from_table(pd.read_parquet(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptWeights(f"{path} cannot be read: {error}") from error


def _digest(path: Path) -> str:
    if not path.is_file():  # reading a pipe would never end
        raise CorruptWeights(f"{path} is missing, or not a regular file")
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CorruptWeights(f"{path} cannot be read: {error}") from error
