"""The same FastAPI app without the bridge: ``direct.py PORT`` serves it by uvicorn, set up as the local host's uvicorn is."""

import sys

import uvicorn

from function_app import web

uvicorn.run(
    web,
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    log_config=None,
    log_level="warning",
    access_log=False,
    lifespan="off",
    ws="none",
    server_header=False,
    proxy_headers=False,
    timeout_keep_alive=75,
)
