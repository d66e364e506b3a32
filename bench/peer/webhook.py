"""The peer of webhooks.py: what people write. FastAPI on uvicorn, the signature checked, the event kept by one insert of the SDK.

STORAGE=… SECRET=… python bench/peer/webhook.py PORT
"""

import hmac
import json
import os
import sys
import time
from typing import Any

import uvicorn
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableServiceClient
from fastapi import FastAPI, HTTPException, Request

app = FastAPI()
service = TableServiceClient.from_connection_string(os.environ["STORAGE"])
table = service.get_table_client("peerevents")
secret = os.environ["SECRET"].encode()
made = False


@app.get("/health")
async def health() -> dict[str, Any]:
    return {}


@app.post("/webhook")
async def webhook(request: Request) -> dict[str, bool]:
    global made
    body = await request.body()
    parts = dict(part.split("=", 1) for part in request.headers["stripe-signature"].split(","))
    expected = hmac.digest(secret, parts["t"].encode() + b"." + body, "sha256").hex()
    if not hmac.compare_digest(expected, parts["v1"]) or abs(time.time() - int(parts["t"])) > 300:
        raise HTTPException(400)
    if not made:
        await service.create_table_if_not_exists("peerevents")
        made = True
    event = json.loads(body)
    try:
        await table.create_entity({"PartitionKey": "events", "RowKey": event["id"], "type": event["type"], "created": event["created"]})
    except ResourceExistsError:
        return {"duplicate": True}
    return {"duplicate": False}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
