"""What the pages' components ask for over HTTP: rows, thumbnails, tiles, maps, originals; and verdicts, which they send.

Everything is under /oddpixel/. Who may ask is `access`'s business; that a decision carries a signed ticket is checked here.
File names never come from a visitor: an item's name is looked up in the run's table, which says where its files are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from oddpixel.errors import MissingFile, OddPixelError, RunError, UnreadableInput, UsageError
from oddpixel.forensics.runs.originals import recorded_digest
from oddpixel.forensics.runs.regions import drawn
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.table import DECISION, Filter
from oddpixel.forensics.runs.verdicts import Sent

from .access import COOKIE
from .case_facts import normals_of, of_case
from .library import DECISIONS, OpenRun
from .originals import Picture
from .overlays import content_of, with_map
from .query import Query
from .report_routes import report, report_picture
from .roles import LEAD, VIEWER
from .sign_on import BACK, PENDING, START, SignOn
from .site import the_site
from .synthetic import bytes_of, read

PAGE = 500  # rows at most in one answer
AT_ONCE = 1000  # decisions in one request
NAMED = 200_000  # names at most in one answer, and items in one decision
MOST_CHANGES = 10_000  # decisions that a page is told of one by one
LONGEST_NAME = 80
BODY = 32_000_000  # bytes at most of what is sent here
FOREVER = "private, max-age=31536000, immutable"
NEVER = "no-store"
TICKET = "x-oddpixel-ticket"
KEY = re.compile(r"[A-Za-z0-9-]{8,64}")
THUMBNAIL = re.compile(r"[0-9a-f]{64}(-\d{1,9})?")

Handler = Callable[[Request], Any]


def _answered(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A handler in a thread of its own; our errors become an answer that says what was wrong."""

    async def answer(request: Request) -> Response:
        if request.method == "POST":
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY:
                    return _error(413, UsageError(f"more than {BODY} bytes were sent"))
            request.state.body = body
        try:
            answer = await anyio.to_thread.run_sync(handler, request)
        except (MissingFile, RunError) as error:
            return _error(404, error)
        except PermissionError as error:
            return _error(403, error)
        except UnreadableInput as error:
            return _error(415, error)
        except OddPixelError as error:
            return _error(400, error)
        return answer if isinstance(answer, Response) else JSONResponse(answer, headers={"cache-control": NEVER})

    return answer


def _error(status: int, error: Exception) -> JSONResponse:
    content = {"error": {"type": type(error).__name__, "message": str(error)}}
    return JSONResponse(content, status_code=status, headers={"cache-control": NEVER})


def _run(request: Request) -> OpenRun:
    return the_site().library.run(request.path_params["run"])


def _blind(request: Request, run: OpenRun) -> frozenset[str]:
    """The items of which whoever asks may see the picture alone: they are in a blind reading of theirs that is open."""
    return the_site().blind_items(run, the_site().looker(request.cookies))


def _filters(request: Request, run: OpenRun, query: Query) -> list[Filter]:
    """The conditions of a view, without the items that whoever asks reads blindly."""
    blind = _blind(request, run)
    return [*query.filters_in(the_site().tags(run.key)), *([Filter("item", "not in", sorted(blind))] if blind else [])]


def _seen_row(request: Request, run: OpenRun) -> Row:
    """The row of the item that a request names. Raises: UsageError where whoever asks reads it blindly, RunError."""
    return the_site().seen_row(run, request.query_params.get("item", ""), request.cookies)


def _author(request: Request) -> str:
    """Raises: PermissionError, so that a browser keeps what it wanted to send until it may."""
    try:
        author = the_site().author_of(request.headers.get(TICKET, ""))
    except UsageError as error:
        raise PermissionError(str(error)) from error
    if author is None:
        raise PermissionError("this page has expired; reload it to decide")
    return author


def _sent(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(request.state.body)
        json.dumps(content, ensure_ascii=False).encode()  # half a character is JSON, and no text that could be kept
    except (ValueError, RecursionError) as error:
        raise UsageError("the request body is not JSON, or nested too deeply, or holds half a character") from error
    if not isinstance(content, dict):
        raise UsageError("the request body must be a JSON object")
    return content


def _numbers(given: Mapping[str, str], **defaults: int) -> list[int]:
    """Numbers of a query, by name. Raises: UsageError."""
    try:
        return [int(given.get(name, default)) for name, default in defaults.items()]
    except ValueError as error:
        raise UsageError(f"{' and '.join(defaults)} must be numbers") from error


def health(request: Request) -> dict[str, str]:
    """The answer to a health check: the server is up."""
    return {"status": "ok"}


def rows(request: Request) -> dict[str, Any]:
    """A page of the run's rows: small enough for a grid."""
    run, given = _run(request), request.query_params
    query = Query.of(given)
    offset, limit = _numbers(given, offset=0, limit=100)
    table, tags = run.table, the_site().tags(run.key)
    filters = _filters(request, run, query)
    page = table.page(
        filters,
        order_by=query.order_by,
        descending=not query.up,
        limit=min(max(limit, 0), PAGE),
        offset=max(offset, 0),
    )
    of_item = tags.by_item()
    answer: dict[str, Any] = {
        "rows": [_short(row) | {"opinions": run.opinions(row.item), "tags": of_item.get(row.item, [])} for row in page]
    }
    if given.get("count") == "1":
        answer |= {"count": table.count(filters), "all": table.count(), "tags": tags.counts()}
        answer["undecided"] = table.count([*filters, Filter(DECISION, "is null")])
    return answer


def items(request: Request) -> dict[str, Any]:
    """The names alone of many of the run's rows, in the order of a view: for a verdict on all of them."""
    run, given = _run(request), request.query_params
    query = Query.of(given)
    offset, limit = _numbers(given, offset=0, limit=NAMED)
    names = run.table.items(
        _filters(request, run, query),
        order_by=query.order_by,
        descending=not query.up,
        limit=min(max(limit, 0), NAMED),
        offset=max(offset, 0),
    )
    return {"items": names}


def changes(request: Request) -> dict[str, Any]:
    """What has been decided since the answer before: every page in sight asks every few seconds.

    Where more has changed than a page can show, `items` is null: then the page asks for its rows anew.
    """
    run = _run(request)
    (since,) = _numbers(request.query_params, since=0)
    seq, changed = run.changes(since)
    blind = _blind(request, run)
    if len(changed) > MOST_CHANGES:
        return {"seq": seq, "items": None}
    return {"seq": seq, "items": {item: _opinions(run, item) for item in changed if item not in blind}}


def _opinions(run: OpenRun, item: str) -> dict[str, Any]:
    """The decision that counts, and what each of several people think."""
    return {"decision": run.decision(item), "opinions": run.opinions(item)}


def ticket(request: Request) -> dict[str, str]:
    """A new ticket for a visitor whose old one has expired, or who has said who they are.

    No other site can ask for one: it would have to send JSON, which browsers let no other site do.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise UsageError("a ticket is asked for in JSON")
    site = the_site()
    visitor = site.visitor(request.cookies.get(COOKIE, ""))
    if site.sign_on is not None:
        author, role = (None, VIEWER) if visitor is None else (visitor.author, visitor.role)
    else:
        author, role = _sent(request).get("author"), LEAD
    if not isinstance(author, str) or not author.strip():
        raise UsageError("say who you are: verdicts are logged under a name")
    author = author.strip()[:LONGEST_NAME]
    return {"author": author, "ticket": site.ticket(author, role)}


SHORT = ("item", "group", "raw", "p_value", "q_value", "flagged", "width", "height", "decision")


def _short(row: Row) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in SHORT},
        "thumbnail": _stem(row.thumbnail),
        "map": row.map is not None,
        "error": None if row.error is None else row.error.message,
        "because": None if row.reason is None else row.reason.because,
    }


def _stem(thumbnail: str | None) -> str | None:
    return None if thumbnail is None else Path(thumbnail).stem


def case(request: Request) -> dict[str, Any]:
    """What is said of one item beside its picture."""
    run = _run(request)
    return of_case(run, _seen_row(request, run))


def normals(request: Request) -> dict[str, Any]:
    """The items to compare one with: unflagged, and most like it."""
    run = _run(request)
    blind = _blind(request, run)
    found = normals_of(run, _seen_row(request, run))
    return {"normals": [normal for normal in found if normal["item"] not in blind]}


def marks(request: Request) -> dict[str, Any]:
    """What people put on an item beside verdicts: regions and tags."""
    run = _run(request)
    row = _seen_row(request, run)
    regions = [region.shown() for region in run.verdicts.regions(run.key, row.item)]
    return {"regions": regions, "tags": the_site().tags(run.key).by_item().get(row.item, [])}


def place(request: Request) -> dict[str, Any]:
    """The position of an item in the pages, or of the next undecided one behind a position."""
    run, given = _run(request), request.query_params
    query = Query.of(given)
    which = Filter(DECISION, "is null") if given.get("next") else Filter("item", "=", given.get("of", ""))
    (after,) = _numbers(given, after=-1)
    arguments: dict[str, Any] = {"order_by": query.order_by, "descending": not query.up}
    filters = _filters(request, run, query)
    position = run.table.place_of(which, filters, after=after, **arguments)
    if position is None and given.get("next"):
        position = run.table.place_of(which, filters, **arguments)
    row = run.table.page(filters, limit=1, offset=position, **arguments) if position is not None else []
    return {"place": position, "item": row[0].item if row else None}


def thumbnails(request: Request) -> Response:
    """Several thumbnails in one answer, by the names that `rows` gave.

    A uint32 for the length of what follows, a JSON list of lengths (0 for one that is not there), the pictures. One
    request for all in sight: fifty single ones cost ten milliseconds each. With `maps`, each with its map where it has one.
    """
    run = _run(request)
    names = request.query_params.get("names", "").split(",")
    if len(names) > PAGE or not all(THUMBNAIL.fullmatch(name) for name in names):
        raise MissingFile("the run has no such thumbnails")
    with_maps = request.query_params.get("maps") == "1"
    contents = [
        with_map(run, the_site().folder / "overlays", name) if with_maps else content_of(run, f"thumbnails/{name}.webp")
        for name in names
    ]
    lengths = json.dumps([len(content) for content in contents]).encode()
    content = len(lengths).to_bytes(4, "little") + lengths + b"".join(contents)
    return Response(
        content, media_type="application/octet-stream", headers={"cache-control": NEVER if with_maps else FOREVER}
    )


def thumbnail(request: Request) -> Response:
    """One thumbnail, by the name that `rows` gave."""
    name = request.query_params.get("name", "")
    if not THUMBNAIL.fullmatch(name):
        raise MissingFile("there is no such picture")
    return _file(_run(request), f"thumbnails/{name}.webp", "image/webp")


def heat(request: Request) -> Response:
    """The heat map as numbers: two uint32 (rows, columns) and float32 values."""
    import numpy as np

    from oddpixel.forensics.runs.heat_map import read_evidence

    run = _run(request)
    row = _seen_row(request, run)
    if row.map is None:
        raise MissingFile("there is no map of this item")
    run.file(row.map)
    values, _ = read_evidence(run.run, row.map)
    content = np.array(values.shape, "<u4").tobytes() + values.astype("<f4").tobytes()
    return Response(content, media_type="application/octet-stream", headers={"cache-control": FOREVER})


def _file(run: OpenRun, name: str | None, media_type: str) -> Response:
    if name is None:
        raise MissingFile("there is no such picture of this item")
    return Response(run.file(name).read_bytes(), media_type=media_type, headers={"cache-control": FOREVER})


def facts(request: Request) -> dict[str, Any]:
    """The size, unit, window and spacing that a viewer needs before it asks for tiles."""
    return _picture(request).facts


def _picture(request: Request) -> Picture:
    """The original of an item, or the synthetic picture of it that `synthetic` names."""
    run, given = _run(request), request.query_params
    row = run.row(given.get("item", ""))
    if (name := given.get("synthetic")) is None:
        return run.originals.picture(row)
    picture = read(run, row, name)
    return run.originals.synthetic(run.file(picture.picture), picture.record)


def tile(request: Request) -> Response:
    """One tile of an original or synthetic picture, at a level of its pyramid."""
    given = request.query_params
    try:
        level, column, row = (int(given.get(name, "")) for name in ("level", "column", "row"))
    except ValueError as error:
        raise UsageError("level, column and row must be numbers") from error
    content, media_type = _picture(request).tile(level, column, row)
    return Response(content, media_type=media_type, headers={"cache-control": FOREVER})


def preview(request: Request) -> Response:
    """An original in one piece, reduced: for a page that shows nothing else of an item."""
    return Response(_picture(request).preview(), media_type="image/jpeg", headers={"cache-control": FOREVER})


def original(request: Request) -> Response:
    """The file itself, bit for bit, as a download. It may hold what identifies a person, so it is noted who took it."""
    run = _run(request)
    row = run.row(request.query_params.get("item", ""))
    author = the_site().author_of(request.query_params.get("ticket", ""))
    if author is None:
        raise PermissionError("this page has expired; reload it")
    file = run.originals.files.open(row)
    run.verdicts.note_action(run.key, row.item, "original downloaded", author=author)
    name = "".join(c if c.isalnum() or c in "._-" else "_" for c in Path(row.item).name)[:150] or "original"

    def chunks() -> Any:
        with file:
            while chunk := file.read(2**20):
                yield chunk

    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": NEVER}
    return StreamingResponse(chunks(), media_type="application/octet-stream", headers=headers)


def synthetic(request: Request) -> Response:
    """A synthetic picture as a download; the log notes who took it."""
    run, given = _run(request), request.query_params
    row = run.row(given.get("item", ""))
    author = the_site().author_of(given.get("ticket", ""))
    if author is None:
        raise PermissionError("this page has expired; reload it")
    picture = read(run, row, given.get("name", ""))
    content = bytes_of(run, picture)
    run.verdicts.note_action(run.key, row.item, f"synthetic {picture.name} downloaded", author=author)
    shown = f"synthetic-{picture.name}-{recorded_digest(row)[:12]}.png"
    headers = {"content-disposition": f'attachment; filename="{shown}"', "cache-control": NEVER}
    return Response(content, media_type="application/octet-stream", headers=headers)


def decide(request: Request) -> dict[str, Any]:
    """Record a decision about several items, under the name in the ticket."""
    run, author, sent = _run(request), _author(request), _sent(request)
    decision = sent.get("decision")
    if decision not in DECISIONS:
        raise UsageError(f"the decision must be one of {', '.join(DECISIONS)}")
    note = sent.get("note", "")
    if not isinstance(note, str) or len(note) > 5000:
        raise UsageError("a note has at most 5,000 characters")
    verdicts = run.decide(_items(sent), decision, author=author, note=note)
    return {"decided": [verdict.item for verdict in verdicts]}


def verdicts(request: Request) -> dict[str, Any]:
    """Decisions as a browser kept them, in order, each done once however often it is sent.

    Answers for each with `null`, or with why it could not be done; where they are about more than a page can show, `items` is
    null.
    """
    run, author, sent = _run(request), _author(request), _sent(request)
    entries = sent.get("entries")
    if not isinstance(entries, list) or not entries or len(entries) > AT_ONCE:
        raise UsageError(f"the request must hold 1 to {AT_ONCE} entries")
    problems = run.receive([_entry(each) for each in entries], author=author)
    names = {item for each in entries for item in each["items"]}
    _ = run.table  # reads what was just written
    if len(names) > MOST_CHANGES:
        return {"problems": problems, "items": None}
    return {"problems": problems, "items": {item: _opinions(run, item) for item in names}}


def _entry(given: Any) -> Sent:
    """Raises: UsageError."""
    entry = given if isinstance(given, dict) else {}
    key, decision, note = entry.get("key"), entry.get("decision"), entry.get("note", "")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise UsageError("every entry needs a key")
    if decision is not None and decision not in DECISIONS:
        raise UsageError(f"the decision must be one of {', '.join(DECISIONS)}")
    undoes = entry.get("undoes")
    region = None if entry.get("region") is None else drawn(entry["region"])
    if region is not None and not (KEY.fullmatch(region.region) and decision is None and len(_items(entry)) == 1):
        raise UsageError("a region has a key and one item, and decides nothing")
    if undoes is not None and not (isinstance(undoes, str) and KEY.fullmatch(undoes) and decision is None):
        raise UsageError("only another entry can be taken back, by its key")
    if not isinstance(note, str) or len(note) > 5000:
        raise UsageError("a note has at most 5,000 characters")
    items = tuple((item, None) for item in _items(entry))
    return Sent(key=key, items=items, decision=decision, note=note, undoes=undoes, region=region)


def undo(request: Request) -> dict[str, Any]:
    """Take back the latest decision about several items; answers with the decision that holds now."""
    run, author, sent = _run(request), _author(request), _sent(request)
    verdicts = run.verdicts.undo(run.key, _items(sent), author=author)
    return {"undone": {verdict.item: verdict.decision for verdict in verdicts}}


def _items(sent: dict[str, Any]) -> list[str]:
    items = sent.get("items")
    if not isinstance(items, list) or not items or len(items) > NAMED or not all(isinstance(i, str) for i in items):
        raise UsageError(f"the request must name 1 to {NAMED} items")
    return items


def tag(request: Request) -> dict[str, Any]:
    """Put a tag on items, or take it off; the log notes who did. Answers with the tags of these items, and counts of all."""
    run, author, sent = _run(request), _author(request), _sent(request)
    items, name = _items(sent), sent.get("tag")
    if not isinstance(name, str):
        raise UsageError("say which tag")
    known = run.table.digests(items)
    if unknown := [item for item in items if item not in known]:
        raise RunError(f"the run {run.name} has no item {unknown[0]}")
    tags = the_site().tags(run.key)
    name = tags.take_off(name, items) if sent.get("off") is True else tags.put(name, items)
    done = "taken off" if sent.get("off") is True else "put on"
    run.verdicts.note_action(
        run.key, items[0] if len(items) == 1 else "", f"tag {name} {done} {len(items)}", author=author
    )
    of_item = tags.by_item()
    return {"tag": name, "items": {item: of_item.get(item, []) for item in items}, "tags": tags.counts()}


def save_view(request: Request) -> dict[str, Any]:
    """Save a named view, and answer with all of them."""
    _author(request)
    sent = _sent(request)
    name, query = sent.get("name"), sent.get("query")
    if not isinstance(name, str) or not isinstance(query, str):
        raise UsageError("a view needs a name and a query")
    the_site().views.save(name, query)
    return {"views": the_site().views.all()}


def sign_on(request: Request) -> Response:
    """Redirect a visitor to the sign-on provider."""
    where, cookie = _provider().begin(request.query_params.get("wanted", "/"))
    return _sent_on(where, [cookie])


def signed_on(request: Request) -> Response:
    """Finish a sign-on when the provider sends the visitor back."""
    where, cookies = _provider().finish(dict(request.query_params), request.cookies.get(PENDING, ""))
    return _sent_on(where, cookies)


def _provider() -> SignOn:
    provider = the_site().sign_on
    if provider is None:
        raise MissingFile("this dashboard has no sign-on")
    return provider


def _sent_on(where: str, cookies: list[str]) -> Response:
    answer = Response(status_code=303, headers={"location": where, "cache-control": NEVER})
    for cookie in cookies:
        answer.headers.append("set-cookie", cookie)
    return answer


ROUTES = [
    Route("/oddpixel/health", _answered(health)),
    Route(START, _answered(sign_on)),
    Route(BACK, _answered(signed_on)),
    Route("/oddpixel/views", _answered(save_view), methods=["POST"]),
    Route("/oddpixel/ticket", _answered(ticket), methods=["POST"]),
    *(
        Route(f"/oddpixel/runs/{{run}}/{handler.__name__}", _answered(handler))
        for handler in (
            rows,
            items,
            changes,
            case,
            normals,
            marks,
            place,
            thumbnails,
            thumbnail,
            heat,
            facts,
            tile,
            preview,
            original,
            synthetic,
            report,
            report_picture,
        )
    ),
    Route("/oddpixel/runs/{run}/decide", _answered(decide), methods=["POST"]),
    Route("/oddpixel/runs/{run}/undo", _answered(undo), methods=["POST"]),
    Route("/oddpixel/runs/{run}/tag", _answered(tag), methods=["POST"]),
    Route("/oddpixel/runs/{run}/verdicts", _answered(verdicts), methods=["POST"]),
]
