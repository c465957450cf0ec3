"""CSRF tokens as SAP Gateway wants them: fetched by a reading request, sent with each changing one, together with its cookies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx

from bridge.erp.http.exchange import Request

_HEADER: Final = "x-csrf-token"


class CsrfToken:
    """The token of the client's session. Its cookies are in the client's jar, which all streams share."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._token: str | None = None
        self.fetching = asyncio.Lock()

    @property
    def fetch(self) -> Request:
        """The request whose answer carries a token."""
        return Request("GET", self._path, is_repeatable=True, headers={_HEADER: "Fetch", "Accept": "application/json"})

    def secrets(self) -> frozenset[str]:
        """The token in hand."""
        return frozenset({self._token} if self._token else ())

    def headers(self) -> Mapping[str, str] | None:
        """What goes with a changing request; None where a token must be fetched first."""
        return None if self._token is None else {_HEADER: self._token}

    def keep(self, headers: httpx.Headers) -> bool:
        """Keep the token of an answer to `fetch`; whether there was one."""
        self._token = headers.get(_HEADER)
        return self._token is not None

    def refused(self, used: Mapping[str, str], status: int, headers: httpx.Headers) -> bool:
        """Whether the answer says that the token was the matter; it is forgotten, unless there is a newer one already."""
        if status != httpx.codes.FORBIDDEN or headers.get(_HEADER, "").lower() != "required":
            return False
        if used.get(_HEADER) == self._token:
            self._token = None
        return True
