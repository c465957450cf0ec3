"""Drafts of stock.scrap, each validated once at most.

Validating a scrap a second time posts it a second time: `action_validate` does not look at the state (addons/stock/models/
stock_scrap.py of 19.0), and Odoo repeats a transaction that its database refused. So a draft is validated only by the attempt that
made it, and only while it is the only document of its event:

1. What an attempt before left is deleted. Odoo refuses that for a scrap that is done, and of a deletion and a validation at the
   same time its database lets one win.
2. A draft is made. It is this attempt's own: its id is known to nobody else.
3. The documents of the event are read. One that is done ends it; any draft beside our own is another attempt's, and then neither is
   validated. Of two attempts at once the later one to make its draft sees the other's, so that at most one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.erp.connector import Answer, Refusal, Step
from bridge.erp.odoo19.client import OdooClient
from bridge.errors import BusinessError, TransientError, UnknownOutcome

DISCARD: Final = "stock.scrap/unlink"
CREATE: Final = "stock.scrap/create"
VALIDATE: Final = "stock.scrap/action_validate"
CALLS: Final = frozenset({DISCARD, CREATE, VALIDATE})
_MOST_OWN: Final = 1000
_GONE: Final = 404  # MissingError


class Drafts:
    """The drafts that this connector made and has not validated yet, by their origin."""

    def __init__(self, client: OdooClient) -> None:
        self._client = client
        self._own: dict[str, int] = {}

    async def execute(self, step: Step) -> Answer:
        """Carry out one of `CALLS`. Raises TransientError where a new plan must sort it out."""
        match step.call:
            case "stock.scrap/unlink":
                return await self._discard(step)
            case "stock.scrap/create":
                return await self._create(step)
        return await self._validate(step)

    async def _discard(self, step: Step) -> Answer:
        records = await find(self._client, step.body["domain"])
        if any(record["state"] == "done" for record in records):
            return Answer(200, "already validated")
        ids = [record["id"] for record in records]
        if not ids:
            return Answer(200, "there is no draft")
        try:
            return await self._call(step, ids)
        except BusinessError as error:
            raise TransientError(f"the draft is gone or done meanwhile, looking again: {error}") from error.__cause__

    async def _create(self, step: Step) -> Answer:
        body = {"vals_list": step.body["vals_list"]}
        status, text, value = await self._client.call(step.call, body, is_repeatable=step.is_repeatable)
        if not (isinstance(value, list) and len(value) == 1 and type(value[0]) is int):
            raise TransientError(f"{step.call} was answered with no id") from Refusal(status, text)
        if (
            len(self._own) >= _MOST_OWN
        ):  # of attempts that ended between two steps; the next one begins with a new draft
            self._own.clear()
        self._own[_origin(step)] = value[0]
        return Answer(status, text)

    async def _validate(self, step: Step) -> Answer:
        own = self._own.get(_origin(step))
        records = await find(self._client, step.body["domain"])
        drafts = [record["id"] for record in records if record["state"] != "done"]
        if len(drafts) < len(records):
            if own is not None and own in drafts:
                await self._call(Step("discard draft", DISCARD, {}, is_repeatable=True), [own])
            return Answer(200, "already validated")
        if own is None or drafts != [own]:
            raise TransientError(f"Odoo has {len(drafts)} drafts of the scrap {_origin(step)}, planning again")
        del self._own[_origin(step)]  # sent once, whatever comes of it
        try:
            return await self._call(step, [own])
        except BusinessError as error:
            if isinstance(error.__cause__, Refusal) and error.__cause__.status == _GONE:
                raise TransientError(f"the draft is gone meanwhile, looking again: {error}") from error.__cause__
            raise

    async def _call(self, step: Step, ids: list[int]) -> Answer:
        status, text, value = await self._client.call(step.call, {"ids": ids}, is_repeatable=step.is_repeatable)
        if isinstance(value, dict) and "res_model" in value:
            raise BusinessError(
                f"Odoo asks instead of posting the scrap: {value.get('name') or value['res_model']}: correct the stock there "
                "first, then replay this event"
            ) from Refusal(status, text)
        if value is not True:
            unclear = TransientError if step.is_repeatable else UnknownOutcome
            raise unclear(f"{step.call} was not answered with true") from Refusal(status, text)
        return Answer(status, text)


async def find(client: OdooClient, domain: list[Any]) -> list[dict[str, Any]]:
    """The scraps of a domain, oldest first, with their state, origin and quantity."""
    body = {"domain": domain, "fields": ["state", "origin", "scrap_qty"], "order": "id"}
    records = await client.read("stock.scrap/search_read", body)
    if any("state" not in record for record in records):
        raise TransientError("stock.scrap/search_read was answered with scraps without a state")
    return records


def steps(values: Mapping[str, Any], domain: list[Any]) -> list[Step]:
    """Delete what an attempt before left, make a draft, validate it."""
    known = {"origin": values["origin"], "domain": domain}
    return [
        Step("discard draft", DISCARD, known, is_repeatable=True),
        Step("draft scrap", CREATE, {"vals_list": [dict(values)]}, is_repeatable=True),
        Step("validate scrap", VALIDATE, known, is_repeatable=False),
    ]


def _origin(step: Step) -> str:
    return str(step.body["vals_list"][0]["origin"] if step.call == CREATE else step.body["origin"])
