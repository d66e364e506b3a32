"""A function app with one of everything that the local host serves. What its triggers saw goes, line by line, to $SAMPLE_OUT."""

# a handler takes its trigger, whether it looks at it or not

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import azure.functions as func
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

import shared_code.web.azure_http  # noqa: F401  # importing a web extension switches HTTP streaming on
from shared_code.web.azure_blob import BlobReference

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def note(text: str) -> None:
    with Path(os.environ["SAMPLE_OUT"]).open("a") as out:
        out.write(text + "\n")


class Echo(Response):
    """Starlette's StreamingResponse would read the request itself, to see whether the client leaves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/octet-stream")]})
        async for chunk in Request(scope, receive).stream():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@app.route("hello", methods=["GET", "HEAD"])
async def hello(req: Request) -> Response:
    return PlainTextResponse("hello", headers={"x-request-id": "sample-1"})


@app.route("items/{id}", methods=["GET"])
async def items_a_by_id(req: Request) -> Response:
    return PlainTextResponse("by id")


@app.route("items/stats", methods=["GET"])
async def items_b_stats(req: Request) -> Response:
    return PlainTextResponse("stats")


@app.route("echo", methods=["POST"])
async def echo(req: Request) -> Response:
    """Sends each piece back as it arrives."""
    return Echo(media_type="application/octet-stream")


@app.route("count", methods=["POST"])
async def count(req: Request) -> Response:
    size = 0
    async for chunk in req.stream():
        size += len(chunk)
    return JSONResponse({"size": size})


@app.route("refuse", methods=["POST"])
async def refuse(req: Request) -> Response:
    """Answers without reading the body."""
    return PlainTextResponse("too large", 413)


@app.route("ticks", methods=["GET"])
async def ticks(req: Request) -> Response:
    """A stream that lasts until the client leaves."""

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": tick\n\n"
                await asyncio.sleep(0.02)  # the stream's own pace
        finally:
            note("ticks ended")

    return StreamingResponse(pieces(), media_type="text/event-stream")


@app.route("hang", methods=["GET"])
async def hang(req: Request) -> Response:
    """Never answers: waits for the client to leave."""
    note("hang began")
    while (await req.receive())["type"] != "http.disconnect":
        pass
    note("hang saw the client leave")
    return Response(status_code=499)


@app.route("upload", methods=["POST"])
async def upload(req: Request) -> Response:
    """Notes an upload that is cut."""
    try:
        async for chunk in req.stream():
            note(f"upload got {len(chunk)} bytes")
    except ClientDisconnect:
        note("upload was cut")
        raise
    return Response(status_code=204)


@app.route("fail", methods=["GET"])
async def fail(req: Request) -> Response:
    raise RuntimeError("on purpose: secret detail")


@app.route("breaks", methods=["GET"])
async def breaks(req: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("on purpose, in the middle")

    return StreamingResponse(pieces())


@app.route("context", methods=["GET"])
async def with_context(req: Request, context: func.Context) -> Response:
    return JSONResponse({"function": context.function_name, "invocation": context.invocation_id})


@app.route("threaded", methods=["GET"])
def threaded(req: Request) -> Response:
    time.sleep(0.2)  # holds a thread, and must not hold the loop
    return PlainTextResponse("from a thread")


@app.route("share/{token}", methods=["GET"])
async def share(req: Request) -> Response:
    return PlainTextResponse("shared")


@app.route("{*path}")
async def zz_fallback(req: Request) -> Response:
    return JSONResponse({"path": req.url.path}, 404)


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
async def on_message(message: func.QueueMessage, context: func.Context) -> None:
    body = message.get_body().decode()
    note(f"queue {body} try {message.dequeue_count} {context.function_name}")
    if body.startswith("bad"):
        raise RuntimeError("on purpose")


@app.blob_trigger(arg_name="blob", path="samples/{name}", connection="AzureWebJobsStorage")
def on_blob(blob: BlobReference) -> None:
    note(f"blob {blob.container}/{blob.name}")
    if blob.name.startswith("bad"):
        raise RuntimeError("on purpose")


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%")
async def on_time(timer: func.TimerRequest) -> None:
    note(f"timer begins {timer.past_due}")
    await asyncio.sleep(float(os.environ.get("SAMPLE_TIMER_SECONDS", "0")))  # a run that takes long
    note("timer ends")
