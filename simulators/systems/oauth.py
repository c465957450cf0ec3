"""Tokens by OAuth 2 client credentials (RFC 6749, 4.4), which end when a test says so."""

from __future__ import annotations

import base64
import secrets
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

CLIENT: Final = "amor-client"
SECRET: Final = "simulated-key"  # noqa: S105  # of a simulator


class Tokens:
    """The tokens of one authorization server; `path` is where they are asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._good: set[str] = set()
        self.given = 0

    def expire(self) -> None:
        """All of them end."""
        self._good.clear()

    def give(self, request: Request, body: bytes) -> Response:
        """A token for the client that names itself in the Authorization header, and an error document for any other."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}" or form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "invalid_client", "error_description": "AADSTS7000215"}, 401)
        token = secrets.token_urlsafe(16)
        self._good.add(token)
        self.given += 1
        return JSONResponse({"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def lets_in(self, request: Request) -> bool:
        """Whether the request has a token that is good."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and token in self._good
