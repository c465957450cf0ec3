"""Odoo's External JSON-2 API as calls: `POST /json/2/<model>/<method>` with named arguments, over the client that all connectors share.

Odoo's own errors are a JSON document with `name` and `message`, and its transaction is rolled back then (odoo/http.py of 19.0,
`Json2Dispatcher.handle_error`); an answer without that document is another's, which says nothing of what Odoo did.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import httpx

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Refusal
from bridge.erp.http import HttpClient, Kind, OverHttp, Reply, Request, Verdict, by_status
from bridge.erp.http.exchange import UNREADABLE
from bridge.errors import BusinessError, TransientError

PAGE: Final = 500  # records of an answer


class OdooClient(OverHttp):
    """One Odoo database. `async with` opens and closes its connections."""

    def __init__(self, settings: OdooSettings) -> None:
        self.http = HttpClient(settings, _judge, headers={"X-Odoo-Database": settings.database})

    async def call(self, call: str, body: Mapping[str, Any], *, is_repeatable: bool) -> tuple[int, str, Any]:
        """The status, the text and the value of `<model>/<method>`: fractions are Decimal, all texts can be stored.

        Raises TransientError, CredentialsError, BusinessError, and UnknownOutcome where the call is not repeatable and may have
        been carried out.
        """
        request = Request("POST", f"json/2/{call}", is_repeatable=is_repeatable, json=dict(body))
        reply, value = await self.http.ask(request)
        return reply.status, reply.text, value

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


def _judge(reply: Reply) -> Verdict:
    """By status; a 409 of Odoo's own is a record that somebody else has locked (`LockError`, odoo/exceptions.py)."""
    says = _says(reply)
    if reply.status == httpx.codes.CONFLICT and says is not None:
        return Verdict(Kind.TRANSIENT, says)
    return by_status(reply.status, says)


def _says(reply: Reply) -> str | None:
    """The message of Odoo's error document; None where the answer is not one."""
    try:
        document = reply.json()
    except UNREADABLE:
        return None
    if not isinstance(document, dict) or not {"name", "message"} <= document.keys():
        return None
    return str(document["message"])
