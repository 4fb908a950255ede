"""DICOM structured report, template TID 1500 (PS3.16): score, p-value, decision of the machine and of a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oddpixel import __version__

from .dicom import MANUFACTURER, MODEL, SCHEME, Source, equipment, uid_of, write_objects
from .exported import Export, Exported

SHOWN = 12  # characters of a hash
VERDICTS = {"odd": "Odd", "normal": "Normal", "unsure": "Unsure"}


def write(exported: Exported, path: Path) -> list[str]:
    """Write a structured report per scored original, of all of its frames; the names and reasons of the others."""
    return write_objects(exported, path, _report, "it was not scored", together=True)


def _report(exported: Exported, of: Sequence[Source], number: int) -> Any | None:
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=uid_of(exported, of, "device"), name=MODEL, manufacturer_name=MANUFACTURER, model_name=MODEL
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=Code("image-audit", SCHEME, "Search for unusual images"),
        imaging_measurements=[_group(exported, source) for source in of],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[of[0].data],
        content=content[0],
        is_complete=True,
        is_verified=False,
        series_description="OddPixel: scores, not for diagnosis",
        **equipment(exported, of, "sr", number, 9002),
    )


def _group(exported: Exported, source: Source) -> Any:
    """What is said of one image, or of one frame."""
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    row = source.row
    algorithm = _algorithm(exported)

    def measured(code: str, meaning: str, value: float) -> Any:
        return hd.sr.Measurement(
            name=Code(code, SCHEME, meaning),
            value=float(value),
            unit=codes.UCUM.NoUnits,
            algorithm_id=algorithm,
        )

    measurements = [measured("oddness", "Oddness score, higher is odder", float(row.raw or 0.0))]
    for name, meaning in (("p_value", "Conformal p-value among normal images"), ("q_value", "q-value over the run")):
        if (value := getattr(row, name)) is not None:
            measurements.append(measured(name, meaning, value))
    flag_code = Code("not-flagged", SCHEME, "Not flagged")
    if row.flagged and row.item in exported.odd_themselves:
        flag_code = Code("flagged", SCHEME, "Flagged")
    elif row.flagged:
        flag_code = Code("flagged-by-another", SCHEME, "Not odd by itself; another image of its group is flagged")
    evaluations = [
        hd.sr.QualitativeEvaluation(name=Code("decision", SCHEME, "Decision of the software"), value=flag_code)
    ]
    if (decision := source.decided.decision) in VERDICTS:
        verdict = Code(decision, SCHEME, VERDICTS[decision])
        evaluations.append(
            hd.sr.QualitativeEvaluation(name=Code("verdict", SCHEME, "Verdict of a person"), value=verdict)
        )
    number = "" if source.frame is None else f"frame {source.frame + 1}, "
    image = hd.sr.SourceImageForMeasurementGroup.from_source_image(source.data, source.frame_numbers)
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=source.uid(exported, "tracking"), identifier=f"{number}image of run {exported.run.record['id'][:8]}"
        ),
        measurements=measurements,
        qualitative_evaluations=evaluations,
        source_images=[image],
    )


def _algorithm(exported: Exported) -> Any:
    """What judged, and what it promises; where it promises nothing, why."""
    import highdicom as hd

    record = exported.run.record
    detector = (record.get("options") or {}).get("detector")
    decision = record.get("decision") or {}
    promise = decision.get("promise") or "nothing is promised about false alarms"
    return hd.sr.AlgorithmIdentification(
        name=MODEL,
        version=f"{__version__}+detector.{detector[:SHOWN]}" if detector else __version__,
        parameters=[f"promise: {promise}", *(f"warning: {each}" for each in decision.get("warnings") or ())],
    )


EXPORT = Export("sr", "", "DICOM structured reports (TID 1500): scores, decisions, verdicts", write)
