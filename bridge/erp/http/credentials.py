"""Credentials as headers: fixed ones, and tokens that expire."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final, Protocol
from urllib.parse import quote, quote_plus, urlencode

import httpx

from bridge.config.settings.connection import ApiKeyAuth, BasicAuth, NoAuth, OAuth2Auth
from bridge.erp.connector import Refusal
from bridge.erp.http.exchange import Request, exchange
from bridge.erp.http.failure import retry_after
from bridge.errors import CredentialsError, TransientError

# A token is renewed so long before its end that no request arrives with one that has just expired.
_MARGIN_S: Final = 30.0
_LIFETIME_S: Final = 300.0  # of a token that does not say
_LATER: Final = frozenset({408, 425, 429})


class Credentials(Protocol):
    """What is sent with every request so that the system knows us."""

    def secrets(self) -> frozenset[str]:
        """All texts that must stand in no log and no answer that is kept."""
        ...

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """The headers of the next request. Raises TransientError or CredentialsError where they cannot be had."""
        ...

    def refused(self, used: Mapping[str, str]) -> bool:
        """The system refused these headers: whether asking again may help, with fresh ones."""
        ...


class Fixed:
    """Headers that never change."""

    def __init__(self, headers: Mapping[str, str], secrets: frozenset[str]) -> None:
        self._headers, self._secrets = dict(headers), secrets

    def secrets(self) -> frozenset[str]:
        """Key or password, and what is made of it."""
        return self._secrets

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """Always the same."""
        return self._headers

    def refused(self, used: Mapping[str, str]) -> bool:
        """There are no others."""
        return False


class ClientCredentials:
    """OAuth 2 client credentials (RFC 6749, 4.4). One token for all streams, fetched by the first that needs it."""

    def __init__(self, settings: OAuth2Auth, deadline_s: float) -> None:
        self._settings = settings
        self._deadline_s = deadline_s
        self._token: str | None = None
        self._ends_at = 0.0
        self._fetching = asyncio.Lock()

    def secrets(self) -> frozenset[str]:
        """The client's secret in its forms, and the token."""
        secret = self._settings.client_secret.get_secret_value()
        return _forms(secret) | {_basic(self._settings.client_id, secret)} | ({self._token} if self._token else set())

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """A token that is still good."""
        async with self._fetching:
            if self._token is None or asyncio.get_running_loop().time() >= self._ends_at:
                await self._fetch(http)
        return {"Authorization": f"Bearer {self._token}"}

    def refused(self, used: Mapping[str, str]) -> bool:
        """Forget the token, unless another stream has fetched a new one already."""
        if used.get("Authorization") == f"Bearer {self._token}":
            self._token = None
        return True

    async def _fetch(self, http: httpx.AsyncClient) -> None:
        try:
            response = await exchange(http, self._request(), {"Accept": "application/json"}, self._deadline_s)
        except TransientError as error:
            raise TransientError(f"{self._settings.token_url} gives no token: {error}") from error
        answer, status = _object(response), response.status_code
        if 400 <= status < 500 and status not in _LATER:
            # `error` is one of RFC 6749, 5.2; a description may repeat what was sent.
            raise CredentialsError(
                f"{self._settings.token_url} gives no token ({status}): {str(answer.get('error', 'no reason'))[:100]}"
            ) from Refusal(status, str(answer.get("error", ""))[:100])
        token, lifetime = answer.get("access_token"), answer.get("expires_in", _LIFETIME_S)
        if not response.is_success or not isinstance(token, str) or not token:
            wait = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
            raise TransientError(f"{self._settings.token_url} gives no token ({status})", wait)
        self._token = token
        self._ends_at = asyncio.get_running_loop().time() + _usable_s(lifetime)

    def _request(self) -> Request:
        settings, secret = self._settings, self._settings.client_secret.get_secret_value()
        form = {"grant_type": "client_credentials"}
        if settings.scope:
            form["scope"] = settings.scope
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if settings.send == "body":
            form |= {"client_id": settings.client_id, "client_secret": secret}
        else:
            # RFC 6749, 2.3.1: both are form-encoded before they are joined.
            headers["Authorization"] = f"Basic {_basic(quote_plus(settings.client_id), quote_plus(secret))}"
        return Request(
            "POST", settings.token_url, is_repeatable=True, headers=headers, content=urlencode(form).encode()
        )


def credentials(settings: NoAuth | ApiKeyAuth | BasicAuth | OAuth2Auth, deadline_s: float) -> Credentials:
    """What the settings ask for."""
    match settings:
        case ApiKeyAuth(key=key):
            secret = key.get_secret_value()
            return Fixed({settings.header: f"{settings.prefix}{secret}"}, _forms(secret))
        case BasicAuth(user=user, password=password):
            coded = _basic(user, password.get_secret_value())
            return Fixed({"Authorization": f"Basic {coded}"}, _forms(password.get_secret_value()) | {coded})
        case OAuth2Auth():
            return ClientCredentials(settings, deadline_s)
        case NoAuth():
            return Fixed({}, frozenset())


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _forms(secret: str) -> frozenset[str]:
    """A secret as it stands, and as it stands in an address, a form, JSON or HTML."""
    written = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], escape(secret)}
    return frozenset({secret, quote(secret, safe=""), quote_plus(secret), *written} - {""})


def _usable_s(lifetime: Any) -> float:
    try:
        seconds = float(lifetime)
    except (TypeError, ValueError):
        seconds = _LIFETIME_S
    return max(seconds - min(_MARGIN_S, seconds / 2), 0.0)


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
