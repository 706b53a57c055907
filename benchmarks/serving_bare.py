"""The same predict call inline in a bare Starlette application under uvicorn: ``python serving_bare.py FOLDER PORT``."""

import sys

import serving_model
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

model = serving_model.model_fn(sys.argv[1])


async def invocations(request: Request) -> Response:
    """Answer one request."""
    data = serving_model.input_fn(await request.body(), request.headers["content-type"])
    text, kind = serving_model.output_fn(serving_model.predict_fn(data, model), "text/csv")
    return Response(text, media_type=kind)


async def ping(request: Request) -> Response:
    """Sign of life."""
    return Response()


if __name__ == "__main__":
    app = Starlette(
        routes=[
            Route("/ping", ping),
            Route("/endpoints/m/invocations", invocations, methods=["POST"]),
        ]
    )
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
