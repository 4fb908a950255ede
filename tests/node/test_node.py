"""The node as an archive meets it: what it takes, what it sends back, what it survives, and what it keeps to itself."""

from __future__ import annotations

import datetime
import gc
import json
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydicom import dcmread
from typer.testing import CliRunner

from oddpixel.commands import app
from oddpixel.errors import ModelError, PeerError, UsageError
from oddpixel.node.arrivals import Arrivals
from oddpixel.node.credentials import Credentials
from oddpixel.node.deliver import Deliverer
from oddpixel.node.peers import Caller, peer_of
from oddpixel.node.receive import OUT_OF_RESOURCES, Door, Receiver, checked_aet
from oddpixel.node.studies import Studies
from oddpixel.service.queue import Queue
from oddpixel.service.spool import Spool
from tests.node.conftest import ID, PATIENT, PHYSICIAN, Archive, Node, free_port, running, study
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.filterwarnings("default")
Parts = tuple[Spool, Arrivals, Queue]
RESULTS = ["SEG", "SR", "SR", "SR"]  # of three images, one of them odd


@pytest.fixture(autouse=True)
def sockets_closed() -> Iterator[None]:
    """pynetdicom leaves sockets to the garbage collector, which says so: here, not at the end of all tests."""
    yield
    gc.collect()


def identifiers_of(paths: list[Path]) -> list[bytes]:
    uids = {str(dcmread(path)[name].value) for path in paths for name in ("SOPInstanceUID", "StudyInstanceUID")}
    return [each.encode() for each in (PATIENT, ID, PHYSICIAN, *uids)]


def test_a_study_comes_back_as_reports_and_segmentations(archive: Archive, detector: Path, tmp_path: Path) -> None:
    paths = study(tmp_path / "in")
    with running(tmp_path / "node", detector, "--to", archive.dimse) as node:
        assert node.send(paths) == [0, 0, 0]
        until(lambda: archive.modalities() == RESULTS, "the results in the archive")
        (of_study,) = archive.ask("/studies")
        main = archive.ask(f"/studies/{of_study}")
        assert main["MainDicomTags"]["StudyInstanceUID"] == dcmread(paths[0]).StudyInstanceUID
        assert main["PatientMainDicomTags"]["PatientID"] == ID, "filed under the patient that it belongs to"
        # The same objects again are the same study, which has its answer.
        assert node.send(paths) == [0, 0, 0]
        # What comes later is judged, and nothing else is judged again.
        later = study(tmp_path / "later", odd=0, normal=1, seed=90)
        assert node.send(later) == [0]
        until(lambda: len(archive.modalities()) == 5, "the report of what came later")
    with sqlite3.connect(tmp_path / "node/jobs.sqlite") as database:
        results = [json.loads(result) for (result,) in database.execute("SELECT result FROM service_jobs")]
        assert [len(each["items"]) for each in results] == [3, 1]
        assert database.execute("SELECT count(*) FROM node_deliveries WHERE finished IS NULL").fetchone() == (0,)
        assert sum(item["flagged"] for each in results for item in each["items"]) == 3, "an odd image flags its patient"
    said = node.log.read_bytes()
    thumbnails = [path.read_bytes() for path in (tmp_path / "node/results").rglob("*.webp")]
    kept = [(tmp_path / "node/jobs.sqlite").read_bytes(), json.dumps(results).encode()]
    assert thumbnails
    for identifier in identifiers_of([*paths, *later]):
        assert all(identifier not in content for content in [said, *thumbnails, *kept]), identifier


def test_results_go_to_a_web_service_and_studies_come_from_both(
    archive: Archive, detector: Path, tmp_path: Path
) -> None:
    paths = study(tmp_path / "in")
    with running(tmp_path / "node", detector, "--to", archive.web, "--results", "sr") as node:
        assert node.send(paths) == [0, 0, 0]
        until(lambda: archive.modalities() == ["SR"] * 3, "the reports in the archive")
    list(peer_of(archive.dimse, Caller()).store(paths))
    uid = str(dcmread(paths[0]).StudyInstanceUID)
    for number, address in enumerate((archive.dimse, archive.web)):
        found = peer_of(address, Caller()).find({"PatientID": ID, "StudyDate": "20260101-20260103"})
        assert [each["StudyInstanceUID"] for each in found] == [uid]
        out = tmp_path / f"out-{number}"
        result = CliRunner().invoke(app, ["retrieve", address, "--find", f"PatientID={ID}", "-o", str(out), "--json"])
        assert result.exit_code == 0, result.output
        (folder,) = out.iterdir()
        there = {str(dcmread(path).SOPInstanceUID): dcmread(path) for path in folder.iterdir()}
        for path in paths:
            sent = dcmread(path)
            assert there[str(sent.SOPInstanceUID)].PixelData == sent.PixelData
        again = CliRunner().invoke(app, ["retrieve", address, "--study", uid, "-o", str(out)])
        assert "there already" in again.output
        missing = CliRunner().invoke(app, ["retrieve", address, "--study", "1.2.3", "-o", str(out)])
        assert missing.exit_code == 1
        assert [each.name for each in out.iterdir()] == [folder.name], "nothing half is left"


def test_results_of_our_own_do_not_come_back_as_questions(archive: Archive, detector: Path, tmp_path: Path) -> None:
    """A capture is an image by its class."""
    paths = study(tmp_path / "in")
    list(peer_of(archive.dimse, Caller()).store(paths))
    uid = str(dcmread(paths[0]).StudyInstanceUID)
    with running(tmp_path / "node", detector, "--to", archive.dimse, "--results", "sc") as node:
        assert node.send(paths) == [0, 0, 0]
        until(lambda: "OT" in archive.modalities(), "the capture in the archive")
        out = tmp_path / "out"
        assert CliRunner().invoke(app, ["retrieve", archive.web, "--study", uid, "-o", str(out)]).exit_code == 0
        (folder,) = out.iterdir()
        assert len(list(folder.iterdir())) == 3
        captures = sorted((tmp_path / "node/results").rglob("*.dcm"))
        assert captures
        assert node.send(captures) == [0] * len(captures), "taken, and left alone"
        until(lambda: "left alone" in node.log.read_text(), "word of it")
    with sqlite3.connect(tmp_path / "node/jobs.sqlite") as database:
        assert database.execute("SELECT count(*) FROM service_jobs").fetchone() == (1,)


def test_a_node_that_could_flag_nothing_does_not_start(detector: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["node", "--detector", str(detector), "--folder", str(tmp_path / "n"), "--alpha", "0.001"]
    )
    assert "needs at least 999 normal groups" in str(result.exception)


def test_what_is_not_judged_is_told_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    from oddpixel.node.deliver import _tell
    from oddpixel.service.queue import Job, State

    errors = [
        {"type": "InvalidImage", "message": "another unit"},
        {"type": "CorruptFile", "message": "of Miller"},
        None,
    ]
    job = Job(
        id="1", client="dicom", kind="study", sha256=None, name="", options={}, version="1", state=State.DONE, attempts=1,
        result={"items": [{"error": each} for each in errors], "objects": []}, created=0.0, finished=1.0,
    )  # fmt: skip
    _tell(job)
    assert "1 of 3 images of a study were not judged: another unit" in caplog.text
    assert "CorruptFile" in caplog.text
    assert "Miller" not in caplog.text


def test_an_archive_is_told_to_send_studies_to_the_node(archive: Archive, detector: Path, tmp_path: Path) -> None:
    paths = study(tmp_path / "in")
    list(peer_of(archive.dimse, Caller()).store(paths))
    uid = str(dcmread(paths[0]).StudyInstanceUID)
    with running(tmp_path / "node", detector, "--to", archive.web, "--results", "sr") as node:
        archive.introduce("ODDPIXEL", node.port)
        command = ["retrieve", archive.dimse, "--find", f"PatientID={ID}", "--to", "ODDPIXEL", "--json"]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        (sent,) = json.loads(result.output)["studies"]
        assert (sent["study"], sent["folder"], sent["objects"]) == (uid, None, 3)
        until(lambda: archive.modalities() == ["CT"] * 3 + ["SR"] * 3, "the reports beside the images")
    unknown = CliRunner().invoke(app, ["retrieve", archive.dimse, "--study", uid, "--to", "NOBODY"])
    assert unknown.exit_code == 1
    assert "refused the move to NOBODY, a node that it must know" in unknown.output
    missing = CliRunner().invoke(app, ["retrieve", archive.dimse, "--study", "1.2.3", "--to", "ODDPIXEL"])
    assert "no image of this study" in missing.output
    with pytest.raises(UsageError, match="DICOMweb"):
        peer_of(archive.web, Caller()).move(uid, "ODDPIXEL")


@pytest.mark.stress
def test_nothing_is_lost_when_the_node_is_killed_or_the_archive_is_away(
    archive: Archive, detector: Path, tmp_path: Path
) -> None:
    away, node_folder = f"ORTHANC@127.0.0.1:{free_port()}", tmp_path / "node"
    studies = [study(tmp_path / f"in{k}", odd=0, normal=1, seed=60 + k) for k in range(4)]
    for k, paths in enumerate(studies):  # killed soon after each was acknowledged
        with running(node_folder, detector, "--to", away) as node:
            assert node.send(paths) == [0]
            time.sleep(0.7 * k)
            node.process.send_signal(signal.SIGKILL)
            node.process.wait()
    with running(node_folder, detector, "--to", away) as node:

        def judged() -> bool:
            with sqlite3.connect(node_folder / "jobs.sqlite") as database:
                return database.execute("SELECT count(*) FROM service_jobs WHERE state = 'done'").fetchone() == (4,)

        until(judged, "all studies judged")
        until(lambda: "next try" in node.log.read_text(), "the archive is away")
    with sqlite3.connect(node_folder / "jobs.sqlite") as database:
        assert database.execute("SELECT count(*), count(DISTINCT job) FROM node_objects").fetchone() == (4, 4)
        database.execute("UPDATE node_deliveries SET next = 0, peer = ?", (archive.dimse,))
    with running(node_folder, detector, "--to", archive.dimse):
        until(lambda: archive.modalities() == ["SR"] * 4, "all reports, once each")


def test_who_may_send_and_what_is_taken(detector: Path, tmp_path: Path, archive: Archive) -> None:
    paths = study(tmp_path / "in", odd=0, normal=1)
    report = tmp_path / "report.dcm"
    data = dcmread(paths[0])
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"  # a report
    data.save_as(report)
    nameless = tmp_path / "nameless.dcm"
    data = dcmread(paths[0])
    del data.StudyInstanceUID
    data.save_as(nameless)
    with running(tmp_path / "node", detector, "--from", "SCANNER", "--max-megabytes", "0.05") as node:
        assert node.send(paths, caller="STRANGER") == [None]
        assert node.send([report]) == [None], "results are not taken for images"
        assert node.send([nameless]) == [0xA900]
        large = study(tmp_path / "large", odd=0, normal=1)
        data = dcmread(large[0])
        data.add_new((0x0009, 0x0010), "LO", "X")
        data.add_new((0x0009, 0x1001), "OB", bytes(60_000))
        data.save_as(large[0])
        assert node.send(large) == [OUT_OF_RESOURCES]
        assert node.send(paths) == [0]
    assert "rejected" in node.log.read_text()


def test_what_cannot_be_kept_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = study(tmp_path / "in", odd=0, normal=1)
    spool, arrivals = Spool(tmp_path / "node"), Arrivals(f"sqlite:///{tmp_path / 'a.sqlite'}")
    receiver = Receiver(Door(port=0), spool, arrivals)
    node = Node(None, receiver.start(), tmp_path / "node", tmp_path / "log")  # type: ignore[arg-type]
    try:
        for broken in ("oddpixel.service.spool.os.fsync", "oddpixel.node.arrivals.hashed"):
            with monkeypatch.context() as patch:
                patch.setattr(broken, lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
                assert node.send(paths) == [OUT_OF_RESOURCES]
            assert arrivals.counts()["received"] == 0
        assert node.send(paths) == [0]
        assert arrivals.counts() == {"received": 1, "waiting": 1, "undelivered": 0}
        assert not list((tmp_path / "node/files").glob("*.part"))
    finally:
        receiver.stop()
        arrivals.close()


def test_over_tls_only_those_whose_certificate_is_known_are_let_in(tmp_path: Path) -> None:
    ours, stranger = signed(tmp_path, "ours"), signed(tmp_path, "others")
    spool, arrivals = Spool(tmp_path / "node"), Arrivals(f"sqlite:///{tmp_path / 'a.sqlite'}")
    receiver = Receiver(Door(port=0, credentials=ours), spool, arrivals)
    port = receiver.start()
    paths = study(tmp_path / "in", odd=0, normal=1)
    address = f"ODDPIXEL@127.0.0.1:{port}"
    silent = socket.create_connection(("127.0.0.1", port))
    try:
        for credentials in (None, stranger):
            with pytest.raises(PeerError):
                list(peer_of(address, Caller(credentials=credentials)).store(paths))
        assert list(peer_of(address, Caller(credentials=ours)).store(paths)) == paths
        assert arrivals.counts()["received"] == 1, "whoever says nothing keeps nobody out"
    finally:
        silent.close()
        receiver.stop()
        arrivals.close()
    with pytest.raises(UsageError, match="certificates cannot be used"):
        Credentials(certificate=paths[0], key=paths[0]).accepting()


def signed(folder: Path, by: str) -> Credentials:
    """A certificate signed by an authority of that name, which is made where it is not there."""
    now, key = datetime.datetime.now(datetime.UTC), ec.generate_private_key(ec.SECP256R1())

    def certificate(name: str, issuer: str, subject_key: Any, issuer_key: Any, is_authority: bool) -> x509.Certificate:
        named = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (name, issuer)]
        builder = x509.CertificateBuilder().subject_name(named[0]).issuer_name(named[1])
        builder = builder.public_key(subject_key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
            now + datetime.timedelta(days=1)
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        return builder.sign(issuer_key, hashes.SHA256())

    def written(name: str, content: Any, secret: bool = False) -> Path:
        pem = serialization.Encoding.PEM
        path = folder / name
        path.write_bytes(
            content.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            if secret
            else content.public_bytes(pem)
        )
        return path

    authority = folder / f"{by}.pem"
    if not authority.exists():
        root = ec.generate_private_key(ec.SECP256R1())
        written(f"{by}.pem", certificate(by, by, root, root, True))
        written(f"{by}.key", root, secret=True)
    root = serialization.load_pem_private_key((folder / f"{by}.key").read_bytes(), None)
    number = len(list(folder.glob("*.pem")))
    return Credentials(
        certificate=written(f"{by}-{number}.pem", certificate("node", by, key, root, False)),
        key=written(f"{by}-{number}.key", key, secret=True),
        authority=authority,
    )


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """Of a node, without the doors."""
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    arrivals, queue = Arrivals(url), Queue(url)
    yield Spool(tmp_path / "node"), arrivals, queue
    arrivals.close()
    queue.close()


def kept(spool: Spool, content: bytes) -> str:
    path = spool.arriving / "one"
    path.write_bytes(content)
    name = spool.keep(path, 1000)
    path.unlink()
    assert spool.file(name).read_bytes() == content
    return name


def test_an_object_that_goes_on_for_ever_ends_its_association(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path,) = study(tmp_path / "in", odd=0, normal=1)
    data = dcmread(path)
    data.add_new((0x0009, 0x0010), "LO", "X")
    data.add_new((0x0009, 0x1001), "OB", bytes(3_000_000))
    data.save_as(path)
    spool, arrivals = Spool(tmp_path / "node"), Arrivals(f"sqlite:///{tmp_path / 'a.sqlite'}")
    receiver = Receiver(Door(port=0, most_bytes=100_000), spool, arrivals)
    node = Node(None, receiver.start(), tmp_path / "node", tmp_path / "log")  # type: ignore[arg-type]
    try:
        assert node.send([path]) != [0]
        assert "an association was ended" in caplog.text
        assert arrivals.counts()["received"] == 0
        assert not [each for each in (tmp_path / "node/files").rglob("*") if each.is_file()]
    finally:
        receiver.stop()
        arrivals.close()


def test_a_node_that_dies_before_it_notes_the_job_asks_the_same_again(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, arrivals, queue = parts
    studies = Studies(arrivals, queue, spool, ["peer"], {})
    arrivals.note("study", "object 1", kept(spool, b"1"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Arrivals, "assign", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        studies.hand_in(-1, "1")
    assert arrivals.counts()["waiting"] == 1
    assert arrivals.waiting_files(), "they must stay"
    arrivals.note("study", "object 2", kept(spool, b"2"))
    (first,) = studies.hand_in(-1, "1")
    (second,) = studies.hand_in(-1, "1")
    assert queue.num_open() == 2, "the first part was asked about once"
    assert first.sha256 != second.sha256
    assert arrivals.counts() == {"received": 2, "waiting": 0, "undelivered": 2}


def test_a_peer_that_is_named_no_more_can_be_given_up(parts: Parts) -> None:
    spool, arrivals, queue = parts
    arrivals.note("study", "object", kept(spool, b"0"))
    Studies(arrivals, queue, spool, ["gone", "there"], {}).hand_in(-1, "1")
    assert arrivals.waiting_for() == {"gone": 1, "there": 1}
    assert arrivals.forget("gone") == 1
    assert arrivals.waiting_for() == {"there": 1}


def test_a_peer_that_does_not_answer_holds_up_nobody_else(parts: Parts) -> None:
    spool, arrivals, queue = parts
    arrivals.note("study", "object", kept(spool, b"0"))
    (job,) = Studies(arrivals, queue, spool, ["slow", "there"], {}).hand_in(-1, "1")
    queue.claim("w")
    queue.finish("w", [(job.id, {"objects": ["a.dcm"]})])
    spool.results(job.id).mkdir(parents=True)
    (spool.results(job.id) / "a.dcm").write_bytes(b"")
    taken, goes_on = threading.Event(), threading.Event()

    class Slow:
        def store(self, paths: Any) -> Any:
            assert goes_on.wait(PATIENCE)
            yield from paths

        def find(self, keys: Any) -> Any:
            raise AssertionError

        retrieve = move = find

    class There(Slow):
        def store(self, paths: Any) -> Any:
            taken.set()
            yield from paths

    deliverer = Deliverer(arrivals, queue, spool, {"slow": Slow(), "there": There()})
    thread = threading.Thread(target=deliverer.deliver)
    thread.start()
    assert taken.wait(PATIENCE)
    until(lambda: arrivals.waiting_for() == {"slow": 1}, "what the other has taken")
    goes_on.set()
    thread.join()
    assert arrivals.waiting_for() == {}


def test_what_fails_holds_up_nothing_else(parts: Parts, tmp_path: Path) -> None:
    spool, arrivals, queue = parts
    studies = Studies(arrivals, queue, spool, ["peer"], {})
    for k in range(2):
        arrivals.note(f"study {k}", f"object {k}", kept(spool, b"%d" % k))
    lost = next(iter(arrivals.quiet(-1).values()))[0]
    spool.file(lost.sha256).unlink()
    (job,) = studies.hand_in(-1, "1")
    queue.claim("w")
    queue.finish("w", [(job.id, {"objects": ["sr/gone.dcm"]})])

    class Taking:
        def store(self, paths: Any) -> Any:
            yield from paths

        def find(self, keys: Any) -> Any:
            raise AssertionError

        retrieve = move = find

    deliverer = Deliverer(arrivals, queue, spool, {"peer": Taking()})
    assert deliverer.deliver() == 0
    assert arrivals.counts() == {"received": 2, "waiting": 1, "undelivered": 1}
    (spool.results(job.id) / "sr").mkdir(parents=True)
    (spool.results(job.id) / "sr/gone.dcm").write_bytes(b"")
    assert deliverer.deliver() == 0, "not before its time"
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        database.execute("UPDATE node_deliveries SET next = 0")
    assert deliverer.deliver() == 1
    assert arrivals.counts()["undelivered"] == 0


def test_a_study_that_could_not_be_judged_is_asked_about_again(parts: Parts, tmp_path: Path) -> None:
    spool, arrivals, queue = parts
    arrivals.note("study", "object", kept(spool, b"0"))
    (job,) = Studies(arrivals, queue, spool, ["peer"], {}).hand_in(-1, "1")
    queue.claim("w")
    queue.finish("w", [(job.id, ModelError("no detector"))])
    deliverer = Deliverer(arrivals, queue, spool, {"peer": peer_of("A@127.0.0.1:1", Caller())})
    deliverer.deliver()
    assert arrivals.counts()["undelivered"] == 1, "it counts as delivered to nobody"
    assert queue.num_open() == 0, "not at once"
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        database.execute("UPDATE node_deliveries SET next = 0")
    deliverer.deliver()
    (again,) = queue.claim("w")
    assert again.id != job.id
    assert (again.sha256, again.kind) == (job.sha256, job.kind)
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        assert database.execute("SELECT job FROM node_objects").fetchall() == [(again.id,)]


def test_addresses_and_titles() -> None:
    assert peer_of("PACS@archive.example:104", Caller()).port == 104  # type: ignore[attr-defined]
    assert peer_of("PACS@[::1]:104", Caller()).host == "::1"  # type: ignore[attr-defined]
    assert peer_of("https://a.example/dicom-web/", Caller()).url == "https://a.example/dicom-web"  # type: ignore[attr-defined]
    for wrong in ("PACS", "PACS@host", "PACS@host:99999", "ftp://host", "A" * 17 + "@host:104"):
        with pytest.raises(UsageError, match="no address of a DICOM node"):
            peer_of(wrong, Caller())
    for wrong in ("", "A" * 17, "A\\B", "Ä"):
        with pytest.raises(UsageError, match="application entity title"):
            checked_aet(wrong)
