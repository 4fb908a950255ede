"""DIMSE (PS3.7): C-STORE, C-FIND in the study root model, C-GET, C-MOVE."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddpixel.errors import PeerError

from ..image_classes import image_classes
from . import NO_IMAGES, STUDY_KEYS, Caller, Kind, in_words

ADDRESS = re.compile(r"(?P<aet>[^@\\]{1,16})@(?P<host>\[[0-9a-fA-F:]+\]|[^@:/\s]+):(?P<port>\d{1,5})")
PENDING = (0xFF00, 0xFF01)
WARNINGS = (0xB000, 0xB006, 0xB007, 0x0111)  # of C-STORE: taken, with something coerced (PS3.4 B.2-1), or there already
SECONDS = 30.0
MOST_CONTEXTS = 126  # of an association (PS3.8), two fewer than all: find or get is one


@dataclass(frozen=True)
class DimsePeer:
    """A node by its application entity title and address."""

    aet: str
    host: str
    port: int
    caller: Caller

    def store(self, paths: Sequence[Path]) -> Iterator[Path]:
        """C-STORE each object over one association."""
        import pydicom

        if not paths:
            return
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
        wanted = {(str(data.SOPClassUID), str(data.file_meta.TransferSyntaxUID)) for data in headers}
        with self._association(sorted(wanted)) as association:
            for path in paths:
                try:
                    status = association.send_c_store(pydicom.dcmread(path))
                except (RuntimeError, ValueError) as error:
                    raise PeerError(f"{self.aet} could not be sent an object: {error}") from error
                code = status.get("Status")
                if code != 0 and code not in WARNINGS:
                    raise PeerError(f"{self.aet} refused an object{'' if code is None else f' with status {code:04X}'}")
                yield path

    def find(self, keys: Mapping[str, str]) -> list[dict[str, str]]:
        """C-FIND at study level."""
        return self._found("STUDY", dict.fromkeys(STUDY_KEYS, "") | dict(keys), STUDY_KEYS)

    def retrieve(self, study: str, keep: Callable[[bytes], Any]) -> int:
        """C-GET of one study: it comes over the association that asks, so that the peer need not know where we are."""
        from pydicom.dataset import Dataset
        from pynetdicom import evt
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get  # type: ignore[attr-defined]

        count = 0

        def kept(event: Any) -> int:
            nonlocal count
            try:
                keep(event.encoded_dataset())
            except OSError:
                return 0xA700
            count += 1
            return 0x0000

        given = image_classes()[:MOST_CONTEXTS]
        with self._association([(str(Get), None)], given, [(evt.EVT_C_STORE, kept)]) as association:
            for series in self._series(study):
                query = Dataset()
                query.QueryRetrieveLevel, query.StudyInstanceUID, query.SeriesInstanceUID = "SERIES", study, series
                for status, _ in association.send_c_get(query, Get):
                    self._check(status, "retrieval")
        return count

    def move(self, study: str, title: str) -> int:
        """C-MOVE of one study, series by series, to a node that the peer knows by its title."""
        from pydicom.dataset import Dataset
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as Move  # type: ignore[attr-defined]

        taken = 0
        with self._association([(str(Move), None)]) as association:
            for series in self._series(study):
                query = Dataset()
                query.QueryRetrieveLevel, query.StudyInstanceUID, query.SeriesInstanceUID = "SERIES", study, series
                for status, _ in association.send_c_move(query, title, Move):
                    self._check(status, f"move to {title}, a node that it must know by title, address and port,")
                    if failed := int(status.get("NumberOfFailedSuboperations") or 0):
                        raise PeerError(f"{title} did not take {failed} objects of {self.aet}")
                taken += int(status.get("NumberOfCompletedSuboperations") or 0)
        return taken

    def _series(self, study: str) -> list[str]:
        """The series of a study that hold images."""
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "Modality": ""}
        found = self._found("SERIES", keys, tuple(keys))
        return [each["SeriesInstanceUID"] for each in found if each["Modality"] not in NO_IMAGES]

    def _found(self, level: str, keys: Mapping[str, str], shown: Sequence[str]) -> list[dict[str, str]]:
        from pydicom.dataset import Dataset
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find  # type: ignore[attr-defined]

        query = Dataset()
        query.QueryRetrieveLevel = level
        for name, value in keys.items():
            setattr(query, name, value)
        found = []
        with self._association([(str(Find), None)]) as association:
            for status, answer in association.send_c_find(query, Find):
                self._check(status, "search")
                if answer is not None:
                    found.append({name: in_words(answer.get(name)) for name in shown})
        return found

    def _check(self, status: Any, what: str) -> None:
        code = status.get("Status")
        if code is None:
            raise PeerError(f"{self.aet} did not answer the {what}: the connection was lost")
        if code not in (0, *PENDING):
            raise PeerError(f"{self.aet} refused the {what} with status {code:04X}")

    @contextmanager
    def _association(
        self, wanted: Sequence[tuple[str, str | None]], taken: Sequence[str] = (), handlers: Sequence[Any] = ()
    ) -> Iterator[Any]:
        """An association that asks for these services, and takes these objects from the other side."""
        from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, build_role

        ae = AE(ae_title=self.caller.aet)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = SECONDS
        for service, syntax in wanted:
            if syntax is None:
                ae.add_requested_context(service)
            else:
                ae.add_requested_context(service, syntax)
        for taken_class in taken:
            ae.add_requested_context(taken_class, ALL_TRANSFER_SYNTAXES)
        roles: list[Any] = [build_role(each, scp_role=True) for each in taken]
        credentials = self.caller.credentials
        tls = None if credentials is None else (credentials.calling(), None)
        association = ae.associate(
            self.host,
            self.port,
            ae_title=self.aet,
            ext_neg=roles,
            evt_handlers=list(handlers),
            tls_args=tls,  # type: ignore[arg-type]
        )
        if not association.is_established:
            refused = "refused the association" if association.is_rejected else "cannot be reached"
            raise PeerError(f"{self.aet} at {self.host}, port {self.port} {refused}")
        try:
            yield association
        finally:
            association.release()


def parse(address: str, caller: Caller) -> DimsePeer | None:
    """AET@host:port."""
    if (found := ADDRESS.fullmatch(address)) is None or not 0 < int(found["port"]) < 2**16:
        return None
    return DimsePeer(found["aet"].strip(), found["host"].strip("[]"), int(found["port"]), caller)


PEERS = Kind(parse)
