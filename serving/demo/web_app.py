"""The demo's requests: the page, the models, readings and explanations. Nothing that a visitor sends is kept."""

import asyncio
import base64
import binascii
import json
import logging
import pathlib

import grpc
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from fer_keras.errors import InputError
from serving.client import RequestError
from serving.demo.card import card_page
from serving.demo.guard import Guard
from serving.demo.readings import MOST_FRAMES, UnreadableError, explain_face, read_file
from serving.demo.samples import KINDS, sample
from serving.server.request_body import read_body

logger = logging.getLogger(__name__)

PAGE = pathlib.Path(__file__).parent / "page"
_MOST_REQUESTS = 8  # at once; each may hold a whole clip
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class WebApp:
    """Answers the page.

    Args:
        offer: `offer.Offer`, the models to choose from.
        cards: dict, model name to the path of its card.
        limits: `serving.server.limits.Limits`: those of the server hold here too.
        host: str, what the server listens on.
        address: str, the model server that face crops go to, or `None` where it is a part of the demo.
    """

    def __init__(self, offer, cards, limits, host="127.0.0.1", address=None):
        self._offer = offer
        self._cards = cards
        self._limits = limits
        self._host = host
        self._address = address
        self._under_way = 0

    def app(self):
        """Makes the web application, a `starlette.applications.Starlette`."""
        routes = [
            Route("/", self._page),
            Route("/card/{name}", self._card),
            Route("/api/models", self._models),
            Route("/api/sample/{kind}", self._sample),
            Route("/api/read", self._read, methods=["POST"]),
            Route("/api/explain", self._explain, methods=["POST"]),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
        return Starlette(routes=routes, middleware=[Middleware(Guard, host=self._host)])

    async def _page(self, request):
        return FileResponse(PAGE / "index.html")

    async def _card(self, request):
        name = request.path_params["name"]
        if name not in self._offer.names:
            return HTMLResponse("No such model", 404)
        return HTMLResponse(card_page(name, self._cards.get(name)))

    async def _models(self, request):
        limits = self._limits
        return JSONResponse(
            {
                "models": await run_in_threadpool(self._offer.describe),
                "address": self._address,
                "limits": {
                    "picture_bytes": limits.image_bytes,
                    "picture_pixels": limits.image_pixels,
                    "clip_bytes": limits.message_bytes,
                    "frames": MOST_FRAMES,
                },
            }
        )

    async def _sample(self, request):
        kind = request.path_params["kind"]
        if kind not in KINDS:
            return _error(404, "request", f"there is no drawn {kind}")
        drawn = await run_in_threadpool(sample, kind)
        return Response(drawn, media_type="video/x-msvideo" if kind == "clip" else "image/png")

    async def _read(self, request):
        name, with_picture = request.query_params.get("model", ""), request.query_params.get("picture") != "no"

        def work(body):
            return read_file(self._offer.recognizer(name), body, self._limits, with_picture)

        return await self._answer(request, work)

    async def _explain(self, request):
        def work(body):
            try:
                asked = json.loads(body)
                recognizer = self._offer.recognizer(asked["model"])
                crop = base64.b64decode(asked["crop"].partition(",")[2], validate=True)
                if not recognizer.model.explains or asked["label"] not in recognizer.model.label_names:
                    raise InputError("the model has no such explanation")
                return explain_face(recognizer, crop, asked.get("landmarks"), asked["label"])
            except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
                raise InputError("expected JSON with model, crop, landmarks and label") from error

        return await self._answer(request, work)

    async def _answer(self, request, work):
        """Reads the body, works on it in a thread, and answers with what went wrong in words for a visitor."""
        if self._under_way >= _MOST_REQUESTS:
            return _error(503, "busy", "The demo is working on other requests; try again in a moment.")
        self._under_way += 1
        try:
            reading = read_body(request, self._limits.message_bytes)
            body = await asyncio.wait_for(reading, self._limits.rest_timeout)
            if body is None:
                return _error(413, "too_large", f"This is larger than {self._limits.message_bytes // 2**20} MiB.")
            return JSONResponse(await run_in_threadpool(work, body))
        except (asyncio.TimeoutError, TimeoutError):  # two classes before Python 3.11
            return _error(408, "slow", "The file took too long to arrive.")
        except UnreadableError as error:
            return _error(413 if error.code == "too_large" else 422, error.code, str(error))
        except RequestError as error:
            if error.code in _AWAY:
                return _error(503, "model_server", f"The model server does not answer. {error}")
            return _error(502, "model_server", f"The model server refused. {error}")
        except InputError as error:
            return _error(400, "request", str(error))
        except Exception as error:  # a visitor never sees a traceback, and the log nothing of what was sent
            logger.error("A request failed: %s", type(error).__name__)
            return _error(500, "internal", "Something went wrong in the demo.")
        finally:
            self._under_way -= 1


def _error(status, code, message):
    return JSONResponse({"error": {"code": code, "message": message}}, status)
