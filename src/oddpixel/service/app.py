"""The routes: `POST /v1/KIND` waits for the answer, `POST /v1/jobs/KIND` gives a job to come back for.

    GET    /v1/jobs/ID              where it stands, and its answer
    DELETE /v1/jobs/ID              stop waiting for it
    GET    /v1/jobs/ID/files/NAME   a report, a picture
    GET    /health/live, /health/ready, /metrics, /openapi.json

A file is on the disk and its job in the database before a request is answered. Where too much waits already, the answer is 429
with the seconds to wait. Every answer names the version that gave it.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException

from oddpixel import __version__
from oddpixel.errors import ModelError, OddPixelError, TooLarge, UnsafePath, UsageError

from .clients import Clients
from .door import NO_PROVIDER, NO_TOKEN, Door
from .kinds import Kind, kinds
from .metrics import Metrics
from .models import version_of
from .queue import AT_ONCE, LATER, Job, Question, Queue, State
from .spool import Spool

logger = logging.getLogger("oddpixel.service")
LOOK_SECONDS = 0.01  # between looks at jobs that somebody waits for
SWEEP_SECONDS = 60.0
MOST_OPTIONS = 10_000  # characters
LONGEST_NAME = 200
PART = 2**18
# Reports hold text out of hostile files: nothing in them may run or be fetched.
SECURITY = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


class Place(BaseModel):
    """What is wrong with one part of a request."""

    where: list[str]
    why: str


class Refusal(BaseModel):
    """Why a request was refused, or its job failed."""

    detail: str | list[Place] | None = None
    type: str | None = None
    job: str | None = None
    state: str | None = None
    error: dict[str, Any] | None = None


def refusal(description: str) -> dict[str, Any]:
    """How a refusal stands in the OpenAPI description."""
    return {"description": description, "model": Refusal}


REFUSALS: dict[int | str, dict[str, Any]] = {
    401: refusal("A token is needed, or it is not one of a client."),
    422: refusal("The request is wrong, and the answer says where; or the job failed, and its error says why."),
    429: refusal("Too fast, or too much waits: see Retry-After."),
}
MISSING: dict[int | str, dict[str, Any]] = REFUSALS | {
    404: refusal("There is no such job or file, or it has expired."),
    503: refusal("The database cannot be reached."),
}
OPEN_OR_DONE: dict[int | str, dict[str, Any]] = MISSING | {202: {"description": "Not finished yet: ask again."}}


@dataclass
class Service:
    """All that the routes share.

    Arguments:
        detector: folder of the detector that workers use; None where the service has none.
        max_bytes: of one file.
        max_open: jobs that may wait or run; beyond, clients are told to come back.
        wait_seconds: that a request for one answer waits; then it gets a job.
        keep_seconds: that a finished job is kept.
        is_warm: whether a worker has loaded what it answers with.
    """

    queue: Queue
    spool: Spool
    clients: Clients
    detector: Path | None = None
    max_bytes: int = 100_000_000
    max_open: int = 1000
    wait_seconds: float = 60.0
    keep_seconds: float = 24 * 3600.0
    is_warm: Callable[[], bool] = lambda: True
    waiting: dict[str, list[asyncio.Future[Job]]] = field(default_factory=dict)
    finished: list[float] = field(default_factory=list)

    def offered(self) -> dict[str, Kind]:
        """The kinds that this service can answer."""
        return {name: kind for name, kind in kinds().items() if self.detector is not None or not kind.needs_detector}

    async def ask(self, question: Question) -> Job:
        """Put a question into the queue. Raises: HTTPException 429 where too much waits."""
        if (num_open := await asyncio.to_thread(self.queue.num_open)) >= self.max_open:
            raise too_many(f"{num_open} jobs wait already", self.seconds_until_room(num_open))
        return await asyncio.to_thread(self.queue.submit, question)

    def seconds_until_room(self, num_open: int) -> float:
        """About how long until a tenth of what waits is done, at the pace of the last minute."""
        now = time.monotonic()
        self.finished = [when for when in self.finished if now - when < 60]
        pace = len(self.finished) / 60
        return min(60.0, num_open / 10 / pace) if pace else 10.0

    async def answer(self, job: Job) -> Job:
        """The job once it is finished, or as it stands when the time for waiting is over."""
        if not job.is_open:
            return job
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(job.id, []).append(future)
        try:
            return await asyncio.wait_for(future, self.wait_seconds)
        except TimeoutError:
            return await self.now(job)
        finally:
            futures = self.waiting.get(job.id, [])
            if future in futures:
                futures.remove(future)
            if not futures:
                self.waiting.pop(job.id, None)

    async def now(self, job: Job) -> Job:
        """The job as it stands now."""
        found = await asyncio.to_thread(self.queue.get, job.id)
        return job if found is None else found

    async def look(self) -> None:
        """Tell those who wait of jobs that are finished; for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self.waiting:
                continue
            with contextlib.suppress(SQLAlchemyError):  # the database is away for a moment
                for job in await asyncio.to_thread(self.queue.finished_among, list(self.waiting)):
                    self.finished.append(time.monotonic())
                    for future in self.waiting.pop(job.id, []):
                        if not future.done():
                            future.set_result(job)

    async def sweep(self) -> None:
        """Forget what has expired; for ever."""
        while True:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await asyncio.to_thread(self.queue.expire, time.time() - self.keep_seconds)
                files = await asyncio.to_thread(self.queue.files)
                await asyncio.to_thread(self.spool.sweep, files, self.queue.ids)
            await asyncio.sleep(SWEEP_SECONDS)


def application(service: Service) -> FastAPI:
    """The ASGI application of a service."""
    metrics = Metrics(service.queue)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(service.look()), asyncio.create_task(service.sweep())]
        yield
        for task in tasks:
            task.cancel()

    # Without the interactive pages: they load scripts from elsewhere.
    app = FastAPI(title="OddPixel", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)

    app.add_middleware(Door, clients=service.clients, most_bytes=service.max_bytes)

    @app.middleware("http")
    async def told(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        response = await proceed(request)
        seconds = time.perf_counter() - started
        route = getattr(request.scope.get("route"), "path", "unknown")
        metrics.requests.labels(route, str(response.status_code)).inc()
        metrics.seconds.labels(route).observe(seconds)
        for name, value in SECURITY.items():
            response.headers.setdefault(name, value)
        client = getattr(request.state, "client", None)
        said = {"client": client, "route": route, "status": response.status_code, "ms": round(1000 * seconds, 1)}
        logger.info(json.dumps(said))
        return response

    async def client_of(request: Request) -> str:
        try:
            client = await asyncio.to_thread(service.clients.named, request.headers.get("authorization"))
        except UsageError as error:
            logger.warning(json.dumps({"provider": str(error)}))
            raise HTTPException(503, NO_PROVIDER) from error
        if client is None:
            raise HTTPException(401, NO_TOKEN, {"www-authenticate": "Bearer"})
        request.state.client = client
        if wait := service.clients.wait(client):
            raise too_many("requests come too fast", wait)
        return client

    async def job_of(job: str, client: Annotated[str, Depends(client_of)]) -> Job:
        found = await asyncio.to_thread(lambda: service.queue.get(job, client))
        if found is None:
            raise HTTPException(404, "there is no such job; it may have expired")
        return found

    async def question(
        kind: Kind, client: str, file: UploadFile | None, options: str | None, priority: int
    ) -> Question:
        chosen = _options(kind, options)
        try:
            version = version_of(service.detector if kind.needs_detector else None)
        except ModelError as error:
            raise HTTPException(503, str(error)) from error
        sha256 = None
        if file is not None:
            sha256 = await service.spool.take(_parts(file), service.max_bytes)
            metrics.bytes.inc(file.size or 0)
        name = "" if file is None else _printable(file.filename or "file")[:LONGEST_NAME]
        return Question(
            client=client, kind=kind.name, sha256=sha256, name=name, options=chosen, version=version, priority=priority
        )

    for kind in service.offered().values():
        _add(app, service, kind, client_of, question)

    @app.get("/v1/jobs/{job}", summary="Where a job stands, and its answer.", responses=OPEN_OR_DONE)
    async def job(found: Annotated[Job, Depends(job_of)]) -> Response:
        return said(found)

    @app.delete("/v1/jobs/{job}", summary="Stop waiting for a job; what is finished stays.", responses=MISSING)
    async def cancel(found: Annotated[Job, Depends(job_of)]) -> Response:
        await asyncio.to_thread(service.queue.cancel, found.id)
        return said(await service.now(found))

    @app.get("/v1/jobs/{job}/files/{name:path}", summary="A file that a job's answer names.", responses=MISSING)
    async def file(name: str, found: Annotated[Job, Depends(job_of)]) -> Response:
        if name not in (found.result or {}).get("files", []):
            raise HTTPException(404, "the job's answer names no such file")
        return FileResponse(service.spool.result(found.id, name))

    @app.get("/v1/kinds", summary="What this service answers, and by which version.", responses=REFUSALS)
    async def offered(_: Annotated[str, Depends(client_of)]) -> dict[str, Any]:
        return {
            "version": version_of(service.detector),
            "kinds": {k.name: k.summary for k in service.offered().values()},
        }

    @app.get("/metrics", include_in_schema=False)
    async def scrape(_: Annotated[str, Depends(client_of)]) -> Response:
        return Response(await asyncio.to_thread(metrics.text), media_type="text/plain; version=0.0.4")

    @app.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/health/ready", include_in_schema=False)
    async def ready() -> Response:
        try:
            await asyncio.to_thread(service.queue.num_open)
            version_of(service.detector)
        except (SQLAlchemyError, ModelError) as error:
            return JSONResponse({"status": "not ready", "because": type(error).__name__}, 503)
        if not service.is_warm():
            return JSONResponse({"status": "not ready", "because": "workers are loading their models"}, 503)
        return JSONResponse({"status": "ready"})

    @app.exception_handler(OddPixelError)
    async def known(_: Request, error: OddPixelError) -> Response:
        status = 413 if isinstance(error, TooLarge) else 404 if isinstance(error, UnsafePath) else 422
        return JSONResponse({"detail": str(error), "type": type(error).__name__}, status)

    @app.exception_handler(405)
    async def other_method(request: Request, _: Exception) -> Response:
        routes = [each for each in app.routes if isinstance(each, APIRoute) and each.path_regex.match(request.url.path)]
        allowed = sorted({method for each in routes for method in each.methods or ()})
        return JSONResponse({"detail": "Method Not Allowed"}, 405, {"allow": ", ".join(allowed)})

    @app.exception_handler(SQLAlchemyError)
    async def away(_: Request, error: SQLAlchemyError) -> Response:
        said = "the database cannot be reached; nothing was accepted, try again"
        return JSONResponse({"detail": said}, 503, {"retry-after": "5"})

    @app.exception_handler(OSError)
    async def full(_: Request, error: OSError) -> Response:
        said = "the file could not be kept; nothing was accepted, try again later"
        return JSONResponse({"detail": said}, 507, {"retry-after": "60"})

    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: StarletteHTTPException) -> Response:
        if isinstance(error.__cause__, OSError):  # while the form was read
            return await full(request, error.__cause__)
        return await http_exception_handler(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        # What was sent is not sent back: it may be a whole file.
        places = [{"where": list(map(str, each["loc"])), "why": _why(each)} for each in error.errors()]
        return JSONResponse({"detail": places}, 422)

    return app


def _add(app: FastAPI, service: Service, kind: Kind, client_of: Any, question: Any) -> None:
    answers = REFUSALS | {
        400: refusal("The body is no multipart form."),
        200: {"content": {"application/json": {"example": {"state": "done", "result": kind.example}}}},
        202: {"description": "Not finished yet: ask for the job."},
        413: refusal("The file is larger than the service takes."),
        503: refusal("The database or the detector is away: nothing was accepted."),
        507: refusal("The disk is full: nothing was accepted."),
    }
    schema = json.dumps(kind.options.model_json_schema()["properties"])
    given = UploadFile if kind.needs_file else UploadFile | None
    upload: Any = Annotated[given, File(description="The file, as multipart form data.")]
    chosen: Any = Annotated[str | None, Form(description=f"JSON with any of {schema}")]
    caller: Any = Annotated[str, Depends(client_of)]

    async def at_once(client: str, file: UploadFile | None, options: str | None) -> Response:
        asked = await question(kind, client, file, options, AT_ONCE)
        return said(await service.answer(await service.ask(asked)))

    async def later(client: str, file: UploadFile | None, options: str | None) -> Response:
        return said(await service.ask(await question(kind, client, file, options, LATER)), accepted=True)

    # FastAPI reads there what a parameter is, so annotations are not postponed here.
    for route in (at_once, later):
        route.__annotations__ = {"client": caller, "file": upload, "options": chosen, "return": Response}
        route.__defaults__ = (None,) if kind.needs_file else (None, None)
    app.post(f"/v1/{kind.name}", summary=kind.summary, responses=answers, name=kind.name)(at_once)
    app.post(
        f"/v1/jobs/{kind.name}", summary=f"{kind.summary} As a job.", responses=answers, status_code=202,
        name=f"{kind.name} job",
    )(later)  # fmt: skip


def said(job: Job, *, accepted: bool = False) -> Response:
    """A job as JSON: 202 while it is open, 422 with the reason where it failed."""
    content = {
        "job": job.id, "kind": job.kind, "state": job.state, "attempts": job.attempts,
        "version": (job.result or {}).get("version", job.version),  # of what answered, once something has
        "result": None if job.state == State.FAILED else job.result,
        "error": job.result if job.state == State.FAILED else None,
    }  # fmt: skip
    status = 202 if accepted or job.is_open else 422 if job.state == State.FAILED else 200
    return JSONResponse(content, status, {"location": f"/v1/jobs/{job.id}"})


def too_many(why: str, seconds: float) -> HTTPException:
    """A refusal that says when to come back."""
    whole = max(1, round(seconds + 0.5))
    return HTTPException(429, f"{why}; come back in {whole} s", {"retry-after": str(whole)})


def _options(kind: Kind, options: str | None) -> dict[str, Any]:
    if options is not None and len(options) > MOST_OPTIONS:
        raise HTTPException(422, f"`options` is longer than {MOST_OPTIONS} characters")
    try:
        return kind.options.model_validate_json(options or "{}").model_dump(mode="json")
    except ValidationError as error:
        places = [
            {"where": ["options", *map(str, each["loc"])], "why": _why_not(each, kind)} for each in error.errors()
        ]
        raise HTTPException(422, places) from error


def _why_not(error: Any, kind: Kind) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no such option; options are {', '.join(kind.options.model_fields)}"
    return str(error["msg"])


def _why(error: dict[str, Any]) -> str:
    if error["type"] == "missing" and error["loc"] == ("body", "file"):
        return "this needs a file: send it as the form field `file`"
    return str(error["msg"])


def _printable(name: str) -> str:
    """A name that can be stored and sent: forms may declare encodings in which half a character comes alone."""
    return name.encode("utf-8", "replace").decode()


async def _parts(file: UploadFile) -> AsyncIterator[bytes]:
    while part := await file.read(PART):
        yield part
