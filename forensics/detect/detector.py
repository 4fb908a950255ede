"""The detector: learns from normal images alone, and says of any image how odd it is, where, why, and how sure that is.

    detector = Detector().fit(normals)      # remembers all of them; most calibrate, each left out of the memory in turn
    detector.predict(incoming)                                # +1 normal, -1 odd, as in scikit-learn
    detector.explain(image)                                   # p-value, reasons, map

score      higher is odder;  score_samples = -score and decision_function follow scikit-learn, higher is more normal
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import NotFittedError
from torch import nn

from oddpixel.datasets.source import FileSource
from oddpixel.encoders import EFFICIENTNET_LITE0
from oddpixel.errors import UsageError
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.store import load_pyramid
from oddpixel.forensics.runs.heat_map import on_image
from oddpixel.forensics.runs.rows import Reason
from oddpixel.image import Image, Unit, Unreadable
from oddpixel.naming import no_such
from oddpixel.progress import Progress, counting, silent

from .calibrated import Calibrated, CalibrationImage
from .channels import Channel, Context, chosen, kinds
from .choice import best_reserves, planted
from .encoders import encoder_named
from .evidence import Evidence
from .fusion import Scale, fused, fused_heat, reference_heat, reserve_among, reserve_range
from .guarantee import Guarantee, guarantee
from .levels import Levels
from .normals import Normals, attempted, enough, images_of, in_turn, take
from .observation import Observation, Observer
from .overlaps import are_few, in_words, overlapping
from .power import Found, Power, rungs, trial
from .prepare import Preparation
from .score import Score
from .training_images import TrainingImages

UNUSUAL = 0.2  # p of a channel by itself, up to which it has something to say


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a detector found in one image, before any calibration.

    Arguments:
        raw: the fused score.
        evidence: of each channel, in deviations from what is usual of normals.
        why: what each channel saw.
        heat: evidence by place on the grid of patches.
        size: of the prepared image.
        notes: what is to be known about its pixels, and what they lost on the way to the networks.
    """

    raw: float
    evidence: dict[str, float]
    why: dict[str, str]
    heat: Float[np.ndarray, "p q"]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def heat_max(self) -> float:
        """The largest value on the heat map."""
        return float(self.heat.max())


class Detector(OutlierMixin, BaseEstimator):
    """An anomaly detector fitted and calibrated on normal images, with scikit-learn's interface.

    Arguments:
        model: a pyramid by name or folder; used by channels that need a density.
        encoder: by name (`oddpixel.encoders`: `efficientnet-lite0`, a folder, a file, a function), a torch module, or None.
        device: where the encoder runs (`oddpixel.devices`).
        side: images are reduced to this longer side, in pixels; smaller ones stay as they are.
        aligned: the same place shows the same thing in every image (anatomy, a fixed camera); for expected normals.
        channels: names; None takes all that apply.
        calibration_share: of the normal groups; scales are learned from the others. None leaves two fifths of them, and fewer
            where 19 groups, which a rate of 5 % needs, would not be left.
        chooses: plant anomalies into normals, fuse the channels that find them (`choice`), and measure what is found (`power`).
        max_fit: scales are learned from at most so many images.
        alpha, confidence: the guarantee that `predict` keeps (`guarantee`); changing them needs no refit.
        seed: for everything drawn.
        normal_labels: what a source's labels call normal; None for the usual words (`training_images`).
    """

    # What a detector has that was put together without `fit`.
    levels_: Levels | None = None
    depths_: tuple[int, ...] | None = None
    came_in_: Unit | None = None
    obeys_depth_: bool = True
    power_: Power | None = None
    group_from_: str | None = None  # where the groups of the normals came from, for those that come in
    doubts_: tuple[str, ...] = ()  # why nothing is promised about false alarms
    selection_: dict[str, dict[str, int]] = {"taken": {}, "left_out": {}}  # noqa: RUF012 -- never mutated

    def __init__(
        self,
        *,
        model: str | Pyramid = "photo-grey",
        encoder: str | nn.Module | None = EFFICIENTNET_LITE0,
        device: str = "cpu",
        side: int = 768,
        aligned: bool = False,
        channels: Sequence[str] | None = None,
        calibration_share: float | None = None,
        chooses: bool = True,
        max_fit: int = 64,
        alpha: float = 0.05,
        confidence: float | None = None,
        seed: int = 0,
        normal_labels: Sequence[str] | None = None,
    ) -> None:
        self.model = model
        self.encoder = encoder
        self.device = device
        self.side = side
        self.aligned = aligned
        self.channels = channels
        self.calibration_share = calibration_share
        self.chooses = chooses
        self.max_fit = max_fit
        self.alpha = alpha
        self.confidence = confidence
        self.seed = seed
        self.normal_labels = normal_labels

    # Learning

    def fit(
        self, X: Any, y: Any = None, *, groups: Sequence[str] | None = None, on_progress: Progress = silent
    ) -> Detector:
        """Remember all normals; learn scales from some groups, calibrate on the others, each without itself in the memory.

        Arguments:
            X: normal images (`images_of`). Roles and labels of a source are obeyed: only normal ones for training are taken.
            y: ignored.
            groups: what is exchangeable, one name an image; else each image's own `group`.

        Raises: CalibrationTooSmall (fewer than 2 groups), UsageError (mixed units, nothing normal), ModelError.
        """
        self.observer_ = self.new_observer()
        self.levels_, self.depths_, self.came_in_, self.obeys_depth_ = None, None, None, True
        selected = TrainingImages.of(X, self.normal_labels)
        normals = self._taken(selected, X, groups, on_progress, learns_levels=True)
        normals = self._apart(normals)
        enough(normals)
        self.levels_, self.depths_, self.came_in_ = normals.levels, normals.depths, normals.came_in
        self.selection_ = selected.as_json()
        scaling, calibrating = normals.dealt(self.calibration_share, self.seed)
        learning = scaling.thinned(self.max_fit, self.seed).images
        observed, failed = attempted(learning, self.observer_, counting("learning", len(learning), on_progress))
        self.left_out_ = (*normals.left_out, *failed)
        self._begin([observation for _, observation in observed], len(normals))
        for image, observation in observed:
            self._remember(observation, image.group)
        taken: list[Image] = []
        failed = []
        for image, observation in in_turn(
            calibrating.in_turn, self.observer_, failed, counting("remembering", len(calibrating), on_progress)
        ):
            self._remember(observation, image.group)
            taken.append(image)
        self.left_out_ = (*self.left_out_, *failed)
        calibrating = Normals(tuple(taken))
        self._settle(
            [observation for _, observation in observed],
            [image.group for image, _ in observed],
            len(observed) + len(taken),
        )
        if self.chooses and len(self.reserves_) > 1:
            self.choose(observed, on_progress)
        self.fitted_on_ = tuple(sorted({image.sha256 for image in (*(image for image, _ in observed), *taken)}))
        self._take_calibration(calibrating, on_progress, are_remembered=True)
        self._measure_power(calibrating, on_progress, are_remembered=True)
        return self

    def learn(
        self,
        observations: Sequence[Observation],
        groups: Sequence[str],
        others: Sequence[tuple[Observation, str]] = (),
    ) -> None:
        """`fit` without choice and calibration, from what was observed already (`observer_` must be set).

        Arguments:
            others: normals that are only remembered, with their groups.
        """
        self._begin(observations, len(observations) + len(others))
        for observation, group in (*zip(observations, groups, strict=True), *others):
            self._remember(observation, group)
        self._settle(observations, groups, len(observations) + len(others))

    def _begin(self, observations: Sequence[Observation], count: int) -> None:
        context = Context(self.observer_.names, count, seed=self.seed)
        self.channels_: dict[str, Channel] = {name: kinds()[name]() for name in self._channel_names()}
        for channel in self.channels_.values():
            channel.fit(observations, context)

    def _remember(self, observation: Observation, group: str) -> None:
        for channel in self.channels_.values():
            channel.remember(observation, group)

    def _settle(self, observations: Sequence[Observation], groups: Sequence[str], count: int) -> None:
        """What scores and heats of normals are usual, each looked at without its own group."""
        counting = [name for name, channel in self.channels_.items() if channel.counts] or list(self.channels_)
        self.count_ = count  # normals that are remembered
        self.reserves_ = {name: reserve_among(self.channels_[name].reserve, count) for name in counting}
        self.scales_: dict[str, Scale] = {}
        self.heat_evidence_: dict[str, Evidence] = {}
        for name, channel in self.channels_.items():
            channel.settle(observations, groups)
            looks = [channel.look(each, without=group) for each, group in zip(observations, groups, strict=True)]
            self.scales_[name] = Scale.of([look.score for look in looks], channel.spread)
            if heats := [look.heat for look in looks if look.heat is not None]:
                self.heat_evidence_[name] = Evidence(reference_heat(heats))

    def choose(self, observed: Sequence[tuple[Image, Observation]], on_progress: Progress = silent) -> None:
        """Count the channels that find most of what is planted into these normals, which it was fitted to."""
        images = [image for image, _ in observed]
        normal = [self.judge_observed(observation, image.group).evidence for image, observation in observed]
        spoilt = tuple(planted(images, self.seed))
        on_item = counting("choosing channels", len(spoilt), on_progress)
        odd, _ = attempted(spoilt, lambda image: self._judge_prepared(image, image.group), on_item)
        if odd:
            count = self.count_
            ranges = {name: reserve_range(self.channels_[name].reserve, count) for name in self.reserves_}
            self.reserves_ = best_reserves(ranges, normal, [judged.evidence for _, judged in odd])

    def _channel_names(self) -> list[str]:
        has_encoder = self.encoder is not None
        if self.channels is None:
            return chosen(has_encoder)
        for name in self.channels:
            if name not in kinds():
                raise UsageError(no_such("channel", name, kinds()))
            if kinds()[name].needs == "encoder" and not has_encoder:
                raise UsageError(f"the channel {name!r} needs an encoder; give encoder='efficientnet-lite0'")
        return list(self.channels)

    def calibrate(self, X: Any, *, groups: Sequence[str] | None = None, on_progress: Progress = silent) -> Detector:
        """Take these normals as calibration instead of the earlier ones: for another scanner, site or camera.

        Raises: UsageError where one of them is remembered already: it would look too normal and void the guarantee.
        """
        self._check_fitted()
        normals = self._taken(TrainingImages.of(X, self.normal_labels, all_roles=True), X, groups, on_progress)
        fitted_on = set(self.fitted_on_)
        if known := [image.source for image in normals.images if image.sha256 in fitted_on]:
            raise UsageError(
                f"{known[0]}{f' and {len(known) - 1} more' if len(known) > 1 else ''} is remembered, so it looks too "
                "normal to calibrate on; give images used for nothing else"
            )
        normals = self._apart(normals)
        self.left_out_ = (*self.left_out_, *normals.left_out)
        self._take_calibration(normals, on_progress)
        self._measure_power(normals, on_progress)
        return self

    def update(self, X: Any, *, groups: Sequence[str] | None = None, on_progress: Progress = silent) -> Detector:
        """Take in more normals without learning anew; the calibration stays, and stays valid.

        Memories grow, so distances to them, and with them every score, can only fall. Earlier calibration scores are then upper
        bounds, p-values at most too large, and at most `alpha` of normal groups are flagged as before. `calibrate` afterwards
        wins back what that costs, and measures power again, which is not known until then: the planted look more normal too.
        """
        self._check_fitted()
        normals = self._taken(TrainingImages.of(X, self.normal_labels), X, groups, on_progress)
        calibrated_on = {row.sha256 for row in self.calibrated_.rows}
        calibrated_on -= set(self.fitted_on_)  # those are remembered already, and each was left out for its own score
        if known := [image.source for image in normals.images if image.sha256 in calibrated_on]:
            raise UsageError(f"{known[0]} was calibrated on; learning from it would void the guarantee")
        known_already = set(self.fitted_on_)
        normals = replace(normals, images=tuple(image for image in normals.images if image.sha256 not in known_already))
        if not normals.images:
            return self
        observed, failed = attempted(normals.images, self.observer_)
        for _, observation in observed:
            for channel in self.channels_.values():
                channel.add(observation)
        self.left_out_ = (*self.left_out_, *normals.left_out, *failed)
        self.fitted_on_ = tuple(sorted({*self.fitted_on_, *(image.sha256 for image, _ in observed)}))
        self.power_ = None
        return self

    def _taken(
        self,
        selected: TrainingImages,
        x: Any,
        groups: Sequence[str] | None,
        on_progress: Progress,
        *,
        learns_levels: bool = False,
    ) -> Normals:
        """The images of `x` that may be learned from, prepared. Raises: UsageError, CalibrationTooSmall."""
        if isinstance(x, FileSource) and groups is None:
            images: Iterable[Image | Unreadable] = selected.entries_of(x)
            selected.check()
        else:
            images = selected.checked(images_of(x, groups))
        on_item = counting("reading normals", len(x) if isinstance(x, Sized) else 0, on_progress)
        return take(images, self.prepare_, on_item, learns_levels=learns_levels)

    def _take_calibration(self, normals: Normals, on_progress: Progress, *, are_remembered: bool = False) -> None:
        def row(image: Image) -> CalibrationImage:
            judged = self._judge_prepared(image, without=image.group if are_remembered else None)
            return CalibrationImage.of(image, judged.raw, judged.heat_max, judged.evidence)

        rows, failed = attempted(normals.images, row, counting("calibrating", len(normals), on_progress))
        self.left_out_ = (*self.left_out_, *failed)
        self.calibrated_ = Calibrated(tuple(each for _, each in rows))

    def _apart(self, normals: Normals) -> Normals:
        """Without the few that show what others of another group do; where that is not a few, the promise is void."""
        pairs = overlapping(normals.images)
        self.doubts_ = (in_words(pairs),) if not are_few(pairs, normals.groups) else ()
        return normals if self.doubts_ else normals.without({second: first for first, second in pairs})

    def _measure_power(self, normals: Normals, on_progress: Progress, *, are_remembered: bool = False) -> None:
        """Plant anomalies into normals that calibrate, and keep their scores."""
        self.power_ = None
        if not self.chooses:
            return
        planted = {each.image.source: each for each in rungs(normals.images, self.seed)}
        if not planted:
            return
        judged, _ = attempted(
            [each.image for each in planted.values()],
            lambda image: self._judge_prepared(image, image.group if are_remembered else None),
            counting("measuring what is found", len(planted), on_progress),
        )
        self.power_ = Power(tuple(trial(planted[image.source], each.raw) for image, each in judged))

    # Judging

    def judge(self, image: Image | Unreadable) -> Judgement:
        """Score, evidence, reasons and heat map of one image, before any decision.

        Raises: InvalidImage, or the error of an unreadable image.
        """
        self._check_fitted()
        prepared = self.prepare_(image)
        return replace(self._judge_prepared(prepared), notes=tuple(prepared.notes))

    def _judge_prepared(self, image: Image, without: str | None = None) -> Judgement:
        return self.judge_observed(self.observer_(image), without)

    def judge_observed(self, observation: Observation, without: str | None = None) -> Judgement:
        """The same of an image that was observed already; by a memory without that group where one is named."""
        looks = {name: channel.look(observation, without) for name, channel in self.channels_.items()}
        deviations = {name: self.scales_[name](look.score) for name, look in looks.items()}
        heats = {name: look.heat for name, look in looks.items() if look.heat is not None}
        return Judgement(
            raw=fused(deviations, self.reserves_),
            evidence=deviations,
            why={name: look.why for name, look in looks.items()},
            heat=fused_heat(heats, self.heat_evidence_, observation.grid),
            size=observation.size,
        )

    def score(self, X: Any, y: Any = None) -> Float[np.ndarray, "n"]:
        """One number an image; higher is odder."""
        return np.array([self.judge(image).raw for image in images_of(X)])

    def score_samples(self, X: Any) -> Float[np.ndarray, "n"]:
        """scikit-learn's convention: higher is more normal."""
        return -self.score(X)

    def decision_function(self, X: Any) -> Float[np.ndarray, "n"]:
        """At least 0 where normal, below where flagged at `alpha`. Raises: CalibrationTooSmall."""
        promised = self.guarantee()
        return self.calibrated_.threshold(promised) - self.score(X)

    def predict(self, X: Any) -> np.ndarray:
        """+1 normal, -1 odd, each image a group of its own. Raises: CalibrationTooSmall."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> Float[np.ndarray, "n"]:
        """Conformal, each image a group of its own."""
        return self.calibrated_.p_values(self.score(X))

    def explain(self, image: Any) -> Score:
        """Of one image (`images_of`): score, p-value, reasons and map of one image. Raises: CalibrationTooSmall, InvalidImage."""
        (only,) = images_of([image])
        judged = self.judge(only)
        p_value = float(self.calibrated_.p_values(np.array([judged.raw]))[0])
        return Score(
            item=only.source,
            raw=judged.raw,
            p_value=p_value,
            q_value=None,
            flagged=p_value <= self.guarantee().threshold,
            reasons=self.reasons(judged),
            map=on_image(judged.heat, judged.size),
        )

    def reasons(self, judged: Judgement) -> tuple[Reason, ...]:
        """Every channel's share, rarest first: its own p-value among the calibration images, and what it saw that is unusual."""
        p_values = self.calibrated_.channel_p_values(judged.evidence)
        order = sorted(judged.evidence, key=lambda name: (-judged.evidence[name], name))
        return tuple(
            Reason(name, p_values[name], judged.why[name] if p_values[name] <= UNUSUAL else "nothing unusual by itself")
            for name in order
        )

    def guarantee(self) -> Guarantee:
        """What flagging at `alpha` and `confidence` promises with this calibration, and what it finds.

        Raises: CalibrationTooSmall.
        """
        self._check_fitted()
        promised = guarantee(self.calibrated_.num_groups, self.alpha, self.confidence)
        return replace(promised, power=self.power(promised), doubts=self.doubts_)

    def power(self, promised: Guarantee) -> tuple[Found, ...]:
        """How many of the anomalies planted by `fit` are flagged under a promise; nothing where none were planted."""
        return () if self.power_ is None else self.power_.at(self.calibrated_.threshold(promised))

    # What it is made of

    @property
    def prepare_(self) -> Preparation:
        """The preparation for the networks, with the levels and depths learned from the normals."""
        options = self.observer_.model.options
        return Preparation(
            unit=cast(Unit, options.unit),
            side=self.side,
            levels=self.levels_,
            depths=self.depths_,
            came_in=self.came_in_,
            obeys_depth=self.obeys_depth_,
        )

    def new_observer(self) -> Observer:
        """Load the networks, to be asked for what the channels need."""
        model = load_pyramid(self.model)
        encoder = self.encoder
        if isinstance(encoder, str):
            encoder = encoder_named(encoder, self.device)
        return Observer(model, encoder, {kinds()[name].needs for name in self._channel_names()})

    def _check_fitted(self) -> None:
        if not hasattr(self, "channels_"):
            raise NotFittedError("this detector has not learnt anything yet; call fit with normal images")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "calibrated_")
