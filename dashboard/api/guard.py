"""The door: who may see what, over HTTP and WebSocket alike, and the headers that go with every answer.

Open without a login are the login page, /health, /ready and the static assets. /metrics is open to this machine and to whoever
is logged in. Everything else wants a session. A request that changes something must be JSON from our own origin: with the cookie's
SameSite=Lax, a foreign page can neither send nor read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.api.sessions import Sessions, StoreIsAway, token_of

_OPEN: Final = frozenset({"/login", "/health", "/ready", "/api/v1/login", "/favicon.ico"})
_OPEN_UNDER: Final = ("/assets/",)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
UNAUTHORIZED_CLOSE: Final = 4401

_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def content_security_policy(script_hashes: Collection[str]) -> str:
    """Nothing from elsewhere, no inline script but those of the hashes. Styles are inline, as Plotly draws with them."""
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *script_hashes)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        )
    )


class Guard:
    """Pure ASGI around the whole application: a BaseHTTPMiddleware would not see sockets."""

    def __init__(
        self, app: ASGIApp, sessions: Sessions, allowed_origins: Collection[str], policy: Callable[[], str]
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._allowed_origins = frozenset(allowed_origins)
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or socket, or refuse it."""
        if scope["type"] == "http":
            await self._http(scope, receive, self._with_headers(send))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if refusal := self._refuse_change(scope, headers) or await self._refuse_stranger(scope, headers):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refuse_change(self, scope: Scope, headers: Headers) -> Response | None:
        if scope["method"] in _SAFE:
            return None
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return JSONResponse({"detail": "send application/json"}, 415)
        if "origin" in headers and not self._is_our_origin(headers):
            return JSONResponse({"detail": "another origin may not do this"}, 403)
        return None

    async def _refuse_stranger(self, scope: Scope, headers: Headers) -> Response | None:
        path = scope["path"]
        if path in _OPEN or path.startswith(_OPEN_UNDER) or (path == "/metrics" and _is_local(scope, headers)):
            return None
        try:
            scope.setdefault("state", {})["account"] = found = await self._sessions.find(token_of(headers))
        except StoreIsAway:
            return PlainTextResponse("The database does not answer. Try again soon.", 503, {"retry-after": "5"})
        if found is not None:
            return None
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            query = scope.get("query_string", b"").decode("latin-1")
            return RedirectResponse(f"/login?next={quote(path + ('?' + query if query else ''))}", 303)
        return JSONResponse({"detail": "log in first"}, 401)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            found = await self._sessions.find(token_of(headers))
        except StoreIsAway:
            found = None
        if found is None or ("origin" in headers and not self._is_our_origin(headers)):
            await receive()  # the handshake, answered with 403
            await send({"type": "websocket.close", "code": UNAUTHORIZED_CLOSE})
            return
        scope.setdefault("state", {})["account"] = found
        await self._app(scope, receive, send)

    def _is_our_origin(self, headers: Headers) -> bool:
        # Browsers always name the origin of a socket and of a change; a client that is no browser names none.
        origin = headers["origin"]
        return origin in self._allowed_origins or urlsplit(origin).netloc == headers.get("host")

    def _with_headers(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers["content-security-policy"] = self._policy()
                headers.setdefault("cache-control", "no-store")
            await send(message)

        return send_with_headers


def _is_local(scope: Scope, headers: Headers) -> bool:
    # Behind a proxy on this machine everybody comes from here: then only a login counts.
    client = scope.get("client")
    return bool(client and client[0] in _LOOPBACK) and not {"x-forwarded-for", "forwarded"} & set(headers.keys())
