"""Odoo's External JSON-2 API as calls: `POST /json/2/<model>/<method>`, named arguments, and what each way to fail means.

The question behind every failure is whether the call may have been carried out. A call that can be repeated never leaves
it open; for the others `UnknownOutcome` says that nobody knows yet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import httpx

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Refusal
from bridge.erp.http.failure import retry_after
from bridge.erp.http.lines import Lines
from bridge.errors import BusinessError, ConnectorError, CredentialsError, TransientError, UnknownOutcome
from bridge.model.text import storable

PAGE: Final = 500  # records of an answer
_LONGEST_ANSWER: Final = 2000  # characters of an answer that are kept for people
# What json.loads raises for bytes that are no JSON, for numbers beyond any, and for a nesting that nobody means.
_UNREADABLE: Final = (ValueError, ArithmeticError, RecursionError)


class OdooClient:
    """One Odoo database. `async with` opens and closes its connections."""

    def __init__(self, settings: OdooSettings) -> None:
        self._secret = settings.api_key.get_secret_value()
        self._deadline_s = 2 * settings.timeout_s
        self._http = httpx.AsyncClient(
            base_url=f"{settings.url.rstrip('/')}/json/2/",
            headers={"Authorization": f"bearer {self._secret}", "X-Odoo-Database": settings.database},
            timeout=httpx.Timeout(settings.timeout_s),
            # One for each stream in flight and one for the poller.
            transport=Lines(settings.max_in_flight + 1),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def call(self, call: str, body: Mapping[str, Any], *, is_repeatable: bool) -> tuple[int, str, Any]:
        """The status, the text and the value of `<model>/<method>`: fractions are Decimal, all texts can be stored.

        Raises TransientError, CredentialsError, BusinessError, and UnknownOutcome where the call is not repeatable and may have
        been carried out.
        """
        unclear = TransientError if is_repeatable else UnknownOutcome
        try:
            # httpx limits the wait for each piece of an answer; an answer in drops needs a limit of its own.
            async with asyncio.timeout(self._deadline_s):
                response = await self._http.post(call, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise TransientError(f"Odoo cannot be reached: {_name(error)}") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise unclear(f"{call} went out and no answer came: {_name(error)}") from error
        text = self._readable(response.content)
        if not response.is_success:
            says = _odoo_message(response)
            is_own_fault = response.status_code == httpx.codes.INTERNAL_SERVER_ERROR and says is not None
            refusal = Refusal(response.status_code, text, is_own_fault=is_own_fault)
            raise _failure(call, response, unclear, text, says) from refusal
        try:
            value = json.loads(response.content, parse_float=Decimal, object_hook=_storable)
        except _UNREADABLE as error:
            raise unclear(f"{call} was answered with something that is not JSON") from Refusal(
                response.status_code, text or str(error)
            )
        return response.status_code, text, value

    async def read(self, call: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The records that a reading method answers with. Raises TransientError where the answer is none."""
        status, text, value = await self.call(call, body, is_repeatable=True)
        if not isinstance(value, list) or not all(
            isinstance(record, dict) and isinstance(record.get("id"), int) for record in value
        ):
            raise TransientError(f"{call} was answered with something that is no list of records") from Refusal(
                status, text
            )
        return value

    async def record(
        self, model: str, number: int, fields: Sequence[str], context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One record with all of these fields. Raises BusinessError where Odoo does not have it, TransientError for half of it."""
        body = {"ids": [number], "fields": list(fields)} | ({"context": context} if context else {})
        records = await self.read(f"{model}/read", body)
        if not records:
            raise BusinessError(
                f"Odoo has no {model} {number} any more: somebody deleted it while its event was posted"
            )
        if len(records) > 1 or records[0]["id"] != number or not set(fields) <= records[0].keys():
            raise TransientError(f"{model}/read was answered with something that is not the record {number}")
        return records[0]

    async def pages(
        self, model: str, fields: Sequence[str], domain: Sequence[Any], context: Mapping[str, Any] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Records by id; the last id, not an offset, says where a page begins, so that one that comes in between hides none."""
        last = 0
        while True:
            body = {"domain": [*domain, ["id", ">", last]], "fields": list(fields), "order": "id", "limit": PAGE}
            records = await self.read(f"{model}/search_read", body | ({"context": context} if context else {}))
            for record in records:
                yield record
            if len(records) < PAGE:
                return
            last = records[-1]["id"]

    def _readable(self, body: bytes) -> str:
        """An answer as it may be kept and shown: not endless, and without the key, should the other side repeat it.

        Whatever charset a proxy names: Odoo's is UTF-8, and other bytes are shown as escapes.
        """
        text = body.decode("utf-8", "backslashreplace").replace(self._secret, "***")
        return storable(text[:_LONGEST_ANSWER])


def _failure(
    call: str, response: httpx.Response, unclear: type[ConnectorError], text: str, says: str | None
) -> ConnectorError:
    """The error that an answer means. Odoo's own errors are JSON and its transaction is rolled back; a proxy's say nothing."""
    status = response.status_code
    match status:
        case 408 | 425 | 429 | 503:
            return TransientError(
                f"Odoo is busy ({status})", retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
            )
        case 401 | 403:
            return CredentialsError(f"Odoo refuses the key ({status}): {says or text}")
        case 500 if says is not None:
            return TransientError(f"{call} failed inside Odoo: {says}")
        case _ if 400 <= status < 500:
            return BusinessError(f"Odoo refuses {call} ({status}): {says or text}")
        case _:
            return unclear(f"{call} was answered with {status}, which does not say what became of it")


def _odoo_message(response: httpx.Response) -> str | None:
    """The message of Odoo's error document; None where the answer is not one."""
    try:
        document = json.loads(response.content)
    except _UNREADABLE:
        return None
    if not isinstance(document, dict) or not {"name", "message"} <= document.keys():
        return None
    return storable(str(document["message"]))


def _storable(record: dict[str, Any]) -> dict[str, Any]:
    """An object of an answer with its texts as they can be kept, those of its relations `[id, name]` too."""
    return {name: _storable_value(value) for name, value in record.items()}


def _storable_value(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    return [storable(part) if isinstance(part, str) else part for part in value] if isinstance(value, list) else value


def _name(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
