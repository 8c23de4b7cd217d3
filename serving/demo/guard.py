"""Keeps other pages out, and the demo's own page in: whose requests are answered, and what the browser may load."""

import ipaddress
import socket

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

# Nothing from outside, no inline script or style. Pictures are in answers (data:) or the visitor's own (blob:).
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",  # answers hold pictures, and a page of another release must not stay
}


class Guard:
    """ASGI middleware that refuses requests of other pages and sets the headers of every answer.

    A page elsewhere could have a visitor's browser send requests here. It says where it is from (`Origin`,
    `Sec-Fetch-Site`) unless it has given its own name this machine's address; then it calls this machine by that name
    (`Host`). So only addresses and this machine's own names are answered. Programs other than browsers say nothing.

    Args:
        app: the ASGI application.
        host: str, what the server listens on; a name given there is answered.
    """

    def __init__(self, app, host):
        self._app = app
        machine = socket.gethostname().lower()
        self._names = {"localhost", machine, f"{machine}.local", host.lower()}

    async def __call__(self, scope, receive, send):
        """Answers a request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        refusal = self._refusal(scope, headers)
        answer = self._app
        if refusal:
            answer = JSONResponse({"error": {"code": "refused", "message": refusal}}, 403)
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope, headers):
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "This is not a name of the machine that the demo runs on; use its address."
        # Links from elsewhere lead to the page; questions, which cost work, are its own.
        if scope["method"] in ("GET", "HEAD") and not scope["path"].startswith("/api/"):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        # "none" is a visitor who typed the address.
        if origin not in (None, f"{scope['scheme']}://{host}") or site not in (None, "same-origin", "none"):
            return "Only the demo's own page may ask."
        return None

    def _is_ours(self, host):
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        name = name.lower().strip("[]")
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
