"""Records that Odoo makes once however often they are sent: `load`, its import of rows, with external ids.

Odoo keeps what a row with an external id became (ir.model.data), and the same row again writes the same record. What it refuses of a row
stands in an answer with the status 200 (odoo/orm/models.py of 19.0: `load`): then there are messages and no ids, and nothing is made.
That may be a conflict with the same rows that were still on their way: Odoo, which repeats a request that its database refused,
does not see it here. So they are sent once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from bridge.erp.connector import Answer, Refusal, Step
from bridge.erp.odoo19.client import OdooClient
from bridge.errors import BusinessError, TransientError


def external_id(name: object) -> str:
    """The external id of a record of ours, in the module that Odoo keeps for imported rows."""
    return f"__import__.amor_{name}"


def rows(records: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The arguments of `load` for records that all have the same fields."""
    return {"fields": list(records[0]), "data": [list(record.values()) for record in records]}


async def execute(client: OdooClient, step: Step) -> Answer:
    """Send the rows. Raises BusinessError with what Odoo says of them where it loaded nothing, twice."""
    try:
        return await _load(client, step)
    except BusinessError as error:
        if not isinstance(error.__cause__, Refusal) or error.__cause__.status != httpx.codes.OK:
            raise
    return await _load(client, step)


async def _load(client: OdooClient, step: Step) -> Answer:
    status, text, value = await client.call(step.call, step.body, is_repeatable=step.is_repeatable)
    refusal = Refusal(status, text)
    ids, messages = (value.get("ids"), value.get("messages")) if isinstance(value, dict) else (None, None)
    if isinstance(ids, list) and len(ids) == len(step.body["data"]):
        return Answer(status, text)
    if messages:
        told = "; ".join(str(part.get("message", part)) if isinstance(part, dict) else str(part) for part in messages)
        raise BusinessError(f"{step.call} loaded nothing: {told}") from refusal
    raise TransientError(f"{step.call} was answered with neither ids nor a reason") from refusal
