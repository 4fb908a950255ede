"""The C-STORE SCP: an object is in the spool and in the table, both flushed to the disk, before it is acknowledged.

It is written to the disk as it comes, so that memory does not depend on its size. One that goes on far beyond what is taken ends
its association.

DICOM PS3.4 B (storage service class) and PS3.7 (DIMSE). What cannot be kept is refused with "out of resources" (A700): the
sender keeps it, and sends it again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.exc import SQLAlchemyError

from oddpixel.errors import TooLarge, UsageError
from oddpixel.service.spool import Spool

from .arrivals import Arrivals
from .credentials import Credentials
from .image_classes import image_classes, is_ours

SUCCESS, OUT_OF_RESOURCES, DOES_NOT_MATCH = 0x0000, 0xA700, 0xA900
SECONDS = 30.0  # without a word of the peer
GREETING_SECONDS = 10.0  # of a connection that has not said what it wants
SMALL = 1_000_000  # bytes that may be sent whatever is taken
BEYOND = 2  # times the largest object that is taken, and its association ends
LONGEST_AET = 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Door:
    """Who may come in, and how much at once.

    Arguments:
        aet: this node's application entity title.
        callers: titles that may call; empty for any.
        most: associations at once.
        most_bytes: of one object.
    """

    aet: str = "ODDPIXEL"
    host: str = "127.0.0.1"
    port: int = 11112
    callers: Sequence[str] = ()
    most: int = 10
    most_bytes: int = 200_000_000
    credentials: Credentials | None = None


@dataclass
class Receiver:
    """The node's ear: `start`, then `stop`."""

    door: Door
    spool: Spool
    arrivals: Arrivals
    server: Any = field(default=None, init=False)
    # Bytes of the object that an association is sending.
    _counted: WeakKeyDictionary[Any, int] = field(default_factory=WeakKeyDictionary, init=False)

    def start(self) -> int:
        """Listen; the port. Raises: UsageError."""
        from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, _config, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        door = self.door
        ae = AE(ae_title=checked_aet(door.aet))
        ae.maximum_associations = door.most
        ae.dimse_timeout = ae.network_timeout = SECONDS
        ae.acse_timeout = GREETING_SECONDS
        ae.require_called_aet = True
        ae.require_calling_aet = [checked_aet(each) for each in door.callers]
        ae.add_supported_context(Verification)
        for each in image_classes():
            ae.add_supported_context(each, ALL_TRANSFER_SYNTAXES)
        tls = None if door.credentials is None else door.credentials.accepting()
        _config.STORE_RECV_CHUNKED_DATASET = (
            True  # objects are written as they come, where this process keeps temporary files
        )
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_REJECTED, _rejected),
            (evt.EVT_PDU_RECV, self._count),
        ]
        try:
            self.server = ae.start_server((door.host, door.port), block=False, evt_handlers=handlers, ssl_context=tls)
        except OSError as error:
            raise UsageError(f"cannot listen on {door.host}, port {door.port}: {error.strerror or error}") from error
        port: int = self.server.socket.getsockname()[1]
        return port

    def stop(self) -> None:
        """Take no more, and end what is under way."""
        if self.server is not None:
            self.server.shutdown()
            self.server.ae.shutdown()

    def _store(self, event: Any) -> int:
        """Keep one object, then acknowledge it."""
        from pydicom import dcmread

        self._counted.pop(event.assoc, None)
        try:
            head = dcmread(event.dataset_path, stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
            study, instance = str(head.StudyInstanceUID), str(event.request.AffectedSOPInstanceUID)
            if not study.strip():
                raise ValueError("no study")
        except Exception:  # of what is no data set anything may come
            log.warning("an object without a study was refused")
            return DOES_NOT_MATCH
        with open(event.dataset_path, "rb") as file:
            if is_ours(file):
                log.info("a result of our own was left alone")
                return SUCCESS
        try:
            sha256 = self.spool.keep(event.dataset_path, self.door.most_bytes)
            is_new = self.arrivals.note(study, instance, sha256)
        except TooLarge as error:
            log.warning("an object was refused: %s", error)
            return OUT_OF_RESOURCES
        except (OSError, SQLAlchemyError) as error:  # the sender keeps it, and sends it again
            log.warning("an object could not be kept: %s", type(error).__name__)
            return OUT_OF_RESOURCES
        log.info("object %s", "kept" if is_new else "known")
        return SUCCESS

    def _count(self, event: Any) -> None:
        """End an association whose object goes on for ever."""
        fragments = getattr(event.pdu, "presentation_data_value_items", [])
        size = self._counted.get(event.assoc, 0) + sum(len(each.presentation_data_value or b"") for each in fragments)
        self._counted[event.assoc] = size
        if size > BEYOND * self.door.most_bytes + SMALL:
            log.warning("an association was ended: its object was more than %d bytes", BEYOND * self.door.most_bytes)
            event.assoc.abort()


def _rejected(event: Any) -> None:
    log.warning("an association was rejected: as many as may be are open, or a title is not one that this node knows")


def checked_aet(title: str) -> str:
    """An application entity title. Raises: UsageError."""
    title = title.strip()
    if not 0 < len(title) <= LONGEST_AET or "\\" in title or not title.isascii() or not title.isprintable():
        raise UsageError(f"{title!r} is no application entity title: 1 to {LONGEST_AET} ASCII characters, no backslash")
    return title
