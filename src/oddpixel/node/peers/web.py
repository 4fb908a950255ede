"""DICOMweb (PS3.18): STOW-RS, QIDO-RS, WADO-RS, by dicomweb-client."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from oddpixel.errors import PeerError, UsageError

from . import NO_IMAGES, STUDY_KEYS, Caller, Kind, in_words


@dataclass(frozen=True)
class WebPeer:
    """A node by the URL of its DICOMweb service."""

    url: str
    caller: Caller

    @cached_property
    def client(self) -> Any:
        """The client, with our token and certificate."""
        from dicomweb_client.api import DICOMwebClient
        from requests import Session

        session = Session()
        session.trust_env = False
        if (credentials := self.caller.credentials) is not None:
            session.cert = (str(credentials.certificate), str(credentials.key))
            if credentials.authority is not None:
                session.verify = str(credentials.authority)
        headers = {"Authorization": f"Bearer {self.caller.token}"} if self.caller.token else None
        return DICOMwebClient(self.url, session=session, headers=headers)

    def store(self, paths: Sequence[Path]) -> Iterator[Path]:
        """STOW-RS, object by object."""
        import pydicom

        for path in paths:
            data = pydicom.dcmread(path)
            answer = self._asked(partial(self.client.store_instances, [data]))
            for failed in answer.get("FailedSOPSequence") or ():
                raise PeerError(f"the peer refused an object with status {int(failed.get('FailureReason', 0)):04X}")
            taken = [
                str(each.get("ReferencedSOPInstanceUID", "")) for each in answer.get("ReferencedSOPSequence") or ()
            ]
            if str(data.SOPInstanceUID) not in taken:  # such as a page to sign on, which comes with a 200
                raise PeerError("the peer did not say that it has taken an object")
            yield path

    def find(self, keys: Mapping[str, str]) -> list[dict[str, str]]:
        """QIDO-RS for studies."""
        from pydicom.dataset import Dataset

        found = self._asked(lambda: self.client.search_for_studies(search_filters=dict(keys), fields=list(STUDY_KEYS)))
        answers = [Dataset.from_json(each) for each in found]
        return [{name: in_words(answer.get(name)) for name in STUDY_KEYS} for answer in answers]

    def move(self, study: str, title: str) -> int:
        """DICOMweb has no such service. Raises: UsageError."""
        raise UsageError("DICOMweb sends to whoever asks alone; name the peer as AET@host:port, or leave --to out")

    def retrieve(self, study: str, keep: Callable[[bytes], Any]) -> int:
        """WADO-RS of one study, series by series, as its objects are stored there."""
        from pydicom.dataset import Dataset

        count = 0
        found = self._asked(lambda: self.client.search_for_series(study, fields=["Modality"]))
        for each in map(Dataset.from_json, found):
            if str(each.get("Modality", "")) in NO_IMAGES:
                continue
            series = str(each.SeriesInstanceUID)
            for data in self._asked(partial(self._stored, study, series)):
                file = io.BytesIO()
                data.save_as(file)
                keep(file.getvalue())
                count += 1
        return count

    def _stored(self, study: str, series: str) -> list[Any]:
        return list(self.client.iter_series(study, series, media_types=(("application/dicom", "*"),)))

    def _asked(self, question: Callable[[], Any]) -> Any:
        from requests import RequestException

        try:
            return question()
        except (RequestException, ValueError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise PeerError(f"the peer did not do what it was asked for: {reason}") from error


def parse(address: str, caller: Caller) -> WebPeer | None:
    """http:// or https://."""
    return WebPeer(address.rstrip("/"), caller) if address.startswith(("http://", "https://")) else None


PEERS = Kind(parse)
