"""The floor under the figures: uvicorn with an application that reads the body and answers 924 bytes. `python bench/bare_uvicorn.py PORT`."""

import sys
from typing import Any

import uvicorn

BODY = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}]}' % (b"x" * 830)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(_scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), http="httptools", loop="uvloop", ws="none", lifespan="off", log_config=None, access_log=False, interface="asgi3"
    )
