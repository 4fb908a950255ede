"""What is done to which element: table E.1-1 of PS3.15 (2026c) as dicom-anonymizer has it, and what options keep.

Where the table leaves a choice to the object's definition (X/Z/D), the element stays with a dummy value: objects stay valid.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from oddpixel.errors import UsageError
from oddpixel.naming import no_such

TABLE = "dicomfields_2026c"


class Action(StrEnum):
    """As in the table."""

    REMOVE = "removed"  # X
    EMPTY = "emptied"  # Z
    DUMMY = "replaced"  # D
    MAP = "mapped"  # U
    MOVE = "moved"  # dates, by the option of modified dates
    KEEP = "kept"


CATEGORIES = {
    "X_TAGS": Action.REMOVE, "Z_TAGS": Action.EMPTY, "X_Z_TAGS": Action.EMPTY, "D_TAGS": Action.DUMMY,
    "Z_D_TAGS": Action.DUMMY, "X_D_TAGS": Action.DUMMY, "X_Z_D_TAGS": Action.DUMMY, "U_TAGS": Action.MAP,
    "X_Z_U_STAR_TAGS": Action.MAP,
}  # fmt: skip
# Options of PS3.15 E.3, as codes of its table CID 7050, and the elements that they keep.
PATIENT = (
    "EthnicGroup", "PatientAge", "PatientSex", "PatientSexNeutered", "PatientSize", "PatientWeight", "PregnancyStatus",
    "SmokingStatus", "Allergies", "PatientState", "PreMedication", "SpecialNeeds",
)  # fmt: skip
DEVICE = (
    "DeviceSerialNumber", "DeviceUID", "PlateID", "CassetteID", "GantryID", "DetectorID", "GeneratorID", "StationName",
    "ScheduledStationName", "PerformedStationName", "ScheduledStationAETitle", "PerformedStationAETitle",
    "DeviceDescription", "DetectorActiveOrigin", "DeviceID", "GridID", "RadiationMachineName",
)  # fmt: skip
RETAINED = {"patient": ("113108", PATIENT), "device": ("113109", DEVICE)}
BASIC, CLEAN_PIXELS, MODIFIED_DATES = "113100", "113101", "113107"
MEANINGS = {
    BASIC: "Basic Application Confidentiality Profile",
    CLEAN_PIXELS: "Clean Pixel Data Option",
    MODIFIED_DATES: "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
}
# What the table does not list, and what holds texts, addresses or numbers of a place all the same.
UNLISTED = {
    **dict.fromkeys(
        ("RetrieveURL", "RetrieveURI", "StorageURL", "StoredInstanceBaseURI", "FolderAccessURI", "FileAccessURI",
         "NTPSourceAddress", "HL7InstanceIdentifier", "LocalNamespaceEntityID", "UniversalEntityID", "ContactURI",
         "ContactDisplayName", "OwnerID", "PrinterName", "PrintQueueID", "PrintJobID", "StorageMediaFileSetID", "DeviceID",
         "GridID", "AssignedLocation", "BoardingPassID", "ItineraryID", "OverrideReason", "CodingSchemeURL", "CodingSchemeName",
         "CodingSchemeResponsibleOrganization", "UniformResourceLocatorTrial", "HangingProtocolUserGroupName",
         "ResourceDescription", "ReasonForCancellation", "DataSetSource", "StrainSource", "BreedRegistrationNumber",
         "AuthorizationEquipmentCertificationNumber", "FilenameInContainer", "EncryptedAttributesSequence"),
        Action.REMOVE,
    ),
    **dict.fromkeys(
        ("PlacerOrderNumberImagingServiceRequestRetired", "FillerOrderNumberImagingServiceRequestRetired",
         "PlacerOrderNumberProcedure", "FillerOrderNumberProcedure", "RadiationMachineName"),
        Action.EMPTY,
    ),
    **dict.fromkeys(
        ("PixelDataProviderURL", "HangingProtocolCreator", "ImplantAssemblyTemplateIssuer", "ImplantTemplateGroupIssuer"),
        Action.DUMMY,
    ),
}  # fmt: skip
BIRTH = 0x00100030, 0x00100032, 0x00100033, 0x00100034, 0x00100035  # dates that no option keeps


@dataclass(frozen=True)
class Profile:
    """The basic profile with options; `retain` holds names of `RETAINED`."""

    retain: frozenset[str] = frozenset()
    move_dates: bool = True

    @classmethod
    def of(cls, retain: Collection[str], *, move_dates: bool = True) -> Profile:
        """Raises: UsageError for an option that there is not."""
        for name in retain:
            if name not in RETAINED:
                raise UsageError(no_such("option", name, RETAINED))
        return cls(frozenset(retain), move_dates)

    @property
    def codes(self) -> list[str]:
        """Codes of the profile and its options, without that of clean pixels."""
        return [
            BASIC,
            *([MODIFIED_DATES] if self.move_dates else []),
            *(RETAINED[each][0] for each in sorted(self.retain)),
        ]

    @property
    def kept(self) -> frozenset[str]:
        """The elements that its options keep, by keyword."""
        return frozenset(keyword for each in self.retain for keyword in RETAINED[each][1])

    def action(self, tag: int, vr: str, keyword: str) -> Action:
        """What is done to an element."""
        group = tag >> 16
        if group % 2 or 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF or group == 0xFFFC:
            return Action.REMOVE  # private elements, curves, overlays, padding
        if any(keyword in RETAINED[each][1] for each in self.retain):
            return Action.KEEP
        listed = table().get(tag)
        if tag in BIRTH:
            return listed or Action.REMOVE
        if vr in ("DA", "DT") and self.move_dates:
            return Action.MOVE
        if vr == "TM" and self.move_dates:
            return Action.KEEP
        if listed is None and vr == "PN":
            return Action.EMPTY
        if listed is None and "Comment" in keyword:
            return Action.REMOVE
        if listed is None and vr in ("DA", "DT", "TM"):
            return Action.EMPTY
        listed = listed or UNLISTED.get(keyword)
        return listed or Action.KEEP


@cache
def table() -> dict[int, Action]:
    """The action for each tag of the basic profile."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector as selected

    found: dict[int, Action] = {}
    for category, action in CATEGORIES.items():
        for group, element, *_ in selected(TABLE)[category]:
            found[(group << 16) | element] = action
    return found
