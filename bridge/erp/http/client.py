"""A business system over HTTP: each request with its credentials, its answer or the error that it means.

The question behind every failure is whether the request may have been carried out. One that can be repeated never leaves it
open; for the others `UnknownOutcome` says that nobody knows yet. A token that was refused is renewed once.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from bridge.config.settings.connection import HttpConnectorTable, OAuth2Auth
from bridge.erp.connector import Refusal
from bridge.erp.http import tls
from bridge.erp.http.credentials import credentials
from bridge.erp.http.csrf import CsrfToken
from bridge.erp.http.exchange import CHANGING, UNREADABLE, Reply, Request, exchange
from bridge.erp.http.failure import Judge, Verdict, failure, unreadable
from bridge.erp.http.lines import Lines
from bridge.erp.http.proxy import proxy_to, secrets_of
from bridge.errors import TransientError
from bridge.model.text import storable

_LONGEST_SHOWN: Final = 2000  # characters of an answer that are kept for people


class HttpClient:
    """One system. `async with` opens and closes its connections; the constructor does not connect."""

    def __init__(
        self,
        settings: HttpConnectorTable,
        judge: Judge,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        csrf: CsrfToken | None = None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self._judge = judge
        self._csrf = csrf
        self._secrets = secrets
        self._query = dict(query or {})
        self._deadline_s = 2 * settings.timeout_s
        self._credentials = credentials(settings.auth, self._deadline_s)
        most = settings.max_in_flight + 1  # one for each stream in flight and one for the poller
        context, proxy = tls.context(settings.tls), proxy_to(settings.url, settings)
        self._secrets |= secrets_of(proxy)
        self._http = httpx.AsyncClient(
            base_url=f"{settings.url.rstrip('/')}/",
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", **(headers or {})},
            timeout=httpx.Timeout(settings.timeout_s),
            transport=Lines(most, context, proxy),
            mounts=_elsewhere(settings, context, proxy),
            # Cookies belong to a CSRF token's session. Else none are kept: a session's cookie beside a key confuses some systems.
            cookies=None if csrf is not None else CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def send(self, request: Request) -> Reply:
        """The answer, if it is a success. Raises TransientError, CredentialsError, BusinessError or UnknownOutcome.

        UnknownOutcome only for a request that is not repeatable and may have been carried out.
        """
        reply, again = await self._attempt(request)
        if again:
            reply, _ = await self._attempt(request)
        if not reply.is_success:
            raise failure(request, reply, self._verdict(reply))
        return reply

    async def ask(self, request: Request) -> tuple[Reply, Any]:
        """The answer and the JSON document in it; an answer that is no JSON leaves open what became of the request."""
        reply = await self.send(request)
        return reply, self.document(request, reply)

    @staticmethod
    def document(request: Request, reply: Reply) -> Any:
        """The JSON document of an answer; what is no JSON leaves open what became of the request."""
        try:
            return reply.json()
        except UNREADABLE:
            raise unreadable(request, reply, "something that is not JSON") from Refusal(reply.status, reply.text)

    def readable(self, text: str) -> str:
        """A text as it may be kept and shown: not endless, storable, and without secrets, should the other side repeat them."""
        for secret in sorted(self._all_secrets(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return storable(text[:_LONGEST_SHOWN])

    async def _attempt(self, request: Request) -> tuple[Reply, bool]:
        """The answer, and whether the same request may fare better with fresh credentials; it was not carried out then."""
        headers = dict(await self._credentials.headers(self._http))
        if self._csrf is not None and request.method in CHANGING:
            headers |= await self._csrf_headers(self._csrf, headers)
        response = await exchange(self._http, self._with_query(request), headers, self._deadline_s)
        again = False
        if response.status_code == httpx.codes.UNAUTHORIZED:
            again = self._credentials.refused(headers)
        elif self._csrf is not None:
            again = self._csrf.refused(headers, response.status_code, response.headers)
        return self._reply(response), again

    async def _csrf_headers(self, csrf: CsrfToken, headers: Mapping[str, str]) -> Mapping[str, str]:
        async with csrf.fetching:
            if (known := csrf.headers()) is not None:
                return known
            response = await exchange(self._http, self._with_query(csrf.fetch), headers, self._deadline_s)
            reply = self._reply(response)
            if not reply.is_success:
                raise failure(csrf.fetch, reply, self._verdict(reply))
            if not csrf.keep(response.headers):
                raise TransientError("the system gave no CSRF token")
            return csrf.headers() or {}

    def _verdict(self, reply: Reply) -> Verdict:
        """The judge's; what the system says may repeat what it was sent."""
        verdict = self._judge(reply)
        return replace(verdict, says=self.readable(verdict.says))

    def _with_query(self, request: Request) -> Request:
        return replace(request, query={**self._query, **request.query}) if self._query else request

    def _reply(self, response: httpx.Response) -> Reply:
        # Whatever charset a proxy names: these systems speak UTF-8, and other bytes are shown as escapes.
        text = self.readable(response.content[: 8 * _LONGEST_SHOWN].decode("utf-8", "backslashreplace"))
        return Reply(response.status_code, response.headers, response.content, text)

    def _all_secrets(self) -> frozenset[str]:
        tokens = self._csrf.secrets() if self._csrf is not None else frozenset()
        return self._secrets | self._credentials.secrets() | tokens


def _elsewhere(
    settings: HttpConnectorTable, context: ssl.SSLContext, proxy: str | None
) -> dict[str, httpx.AsyncBaseTransport] | None:
    """The way to the server of tokens, where another proxy leads to it than to the system."""
    if not isinstance(settings.auth, OAuth2Auth):
        return None
    address = urlsplit(settings.auth.token_url)
    other = proxy_to(settings.auth.token_url, settings)
    return None if other == proxy else {f"all://{address.hostname}": Lines(1, context, other)}
