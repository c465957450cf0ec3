"""One request and its answer: within a deadline, of bounded size, and never endless."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx

from bridge.erp.http import tls
from bridge.errors import ConnectorError, CredentialsError, TransientError, UnknownOutcome
from bridge.model.text import storable

CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# An answer is a page of records or one document. What is larger is read to here and no further.
LARGEST_ANSWER: Final = 16 * 1024 * 1024
# What json.loads raises for bytes that are no JSON, for numbers beyond any, and for a nesting that nobody means.
UNREADABLE: Final = (ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Request:
    """A request below the connector's address. `is_repeatable`: sent twice it has the effect of once."""

    method: str
    path: str
    is_repeatable: bool
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None

    @property
    def unclear(self) -> type[TransientError | UnknownOutcome]:
        """What an answer means that does not say what became of the request."""
        return TransientError if self.is_repeatable else UnknownOutcome

    @property
    def shown(self) -> str:
        """The request as people name it."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `text` is what may be kept and shown: not endless, storable, without secrets."""

    status: int
    headers: httpx.Headers
    content: bytes
    text: str

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The document: fractions are Decimal, all texts can be stored. Raises one of UNREADABLE."""
        return _storable(json.loads(self.content, parse_float=Decimal))


class BodyTooLargeError(httpx.DecodingError):
    """The answer is larger than any that is meant."""


async def exchange(
    http: httpx.AsyncClient, request: Request, headers: Mapping[str, str], deadline_s: float
) -> httpx.Response:
    """Send the request and read its answer within the deadline; the response's content is read.

    httpx limits the wait for each piece of an answer; an answer in drops needs a limit of its own.
    Raises TransientError where nothing went out, CredentialsError where our certificate is refused, and what `request.unclear` says
    where it may have been carried out.
    """
    body: dict[str, Any] = {"json": request.json} if request.json is not None else {"content": request.content}
    # A blank goes out as %20: SAP Gateway takes a plus for a plus.
    url = f"{request.path}?{urlencode(request.query, quote_via=quote)}" if request.query else request.path
    try:
        async with (
            asyncio.timeout(deadline_s),
            http.stream(request.method, url, headers={**request.headers, **headers}, **body) as response,
        ):
            return await _read(response)
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        raise _failed(request, error) from error


def _failed(request: Request, error: Exception) -> ConnectorError:
    """What it means that no answer came."""
    if (broken := tls.in_chain(error)) is not None:
        if tls.is_refusal(broken):
            return CredentialsError(f"the system refuses the connection: {tls.words(broken)}")
        if isinstance(error, httpx.ConnectError):
            return TransientError(f"the system cannot be reached: {tls.words(broken)}")
    if isinstance(error, httpx.ProxyError):
        return TransientError(f"the system cannot be reached: the proxy says {error}")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return TransientError(
            f"the system cannot be reached{_place(error)}: {_unreached(error)}; does it run, and is url right?"
        )
    return request.unclear(f"{request.shown} went out and no answer came: {_name(error)}")


async def _read(response: httpx.Response) -> httpx.Response:
    """The response with its body, decompressed, up to the largest that is taken: never more than that is made of any answer."""
    parts, size = [], 0
    unpack = _Unpacking(response.headers.get("content-encoding", "").strip().lower())
    async for packed in response.aiter_raw():
        part = unpack(packed, LARGEST_ANSWER + 1 - size)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise BodyTooLargeError(f"the answer is larger than {LARGEST_ANSWER} bytes")
        parts.append(part)
    if not unpack.is_whole:
        raise httpx.DecodingError("the compressed answer is not whole")
    plain = httpx.Headers(
        [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
    )
    return httpx.Response(response.status_code, headers=plain, content=b"".join(parts), request=response.request)


class _Unpacking:
    """Gzip (or zlib's deflate), as was asked for; 100 kB of it may be 100 MB, so that each piece is unpacked up to a size."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise httpx.DecodingError(f"the answer is encoded as {encoding[:40]}, which was not asked for")
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding not in ("", "identity") else None
        self._is_begun = False

    def __call__(self, packed: bytes, most: int) -> bytes:
        """What is in the piece, of which `most` bytes are wanted at most. Raises httpx.DecodingError."""
        if self._zlib is None:
            return packed
        self._is_begun = self._is_begun or bool(packed)
        try:
            return self._zlib.decompress(packed, most)
        except zlib.error as error:
            raise httpx.DecodingError(f"the compressed answer cannot be read: {error}") from error

    @property
    def is_whole(self) -> bool:
        """Whether the end came; an answer without a body has none."""
        return self._zlib is None or not self._is_begun or self._zlib.eof


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(part) for part in value]
        case dict():
            return {storable(name): _storable(part) for name, part in value.items()}
        case _:
            return value


def _place(error: httpx.TransportError) -> str:
    try:
        there = error.request.url
    except RuntimeError:  # raised before there was a request
        return ""
    return f" at {there.scheme}://{there.netloc.decode()}"


def _unreached(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.PoolTimeout):
        return "all connections are in use"
    return "no answer" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__


def _name(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
