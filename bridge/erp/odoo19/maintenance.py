"""A request for maintenance as maintenance.request: one for each event, and the states of requests.

It is made by `load` with an external id (`imports`), and recognised by the event's id in its description.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any, Final

from bridge.erp.connector import Found, Step
from bridge.erp.odoo19 import imports
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.values import instant, odoo_time, shown
from bridge.erp.posting import readable
from bridge.errors import BusinessError
from bridge.model.production import RequestState, WorkRequest, WorkRequestState

LOAD: Final = "maintenance.request/load"
_PRIORITIES: Final = {"low": "0", "medium": "1", "high": "2", "critical": "3"}  # Odoo's stars


async def find(client: OdooClient, event: WorkRequest) -> Found:
    """The request whose description has the event's id."""
    domain = [["description", "ilike", str(event.event_id)]]
    body = {"domain": domain, "fields": ["name"], "order": "id", "limit": 1}
    records = await client.read("maintenance.request/search_read", body)
    return Found(is_posted=True, external_id=str(records[0]["id"])) if records else Found(is_posted=False)


async def plan(client: OdooClient, event: WorkRequest, ids: Mapping[str, str]) -> list[Step]:
    """Load the request; `ids` has the equipment whose serial number is not its path. Raises BusinessError for an unknown one."""
    values = {
        "id": imports.external_id(event.event_id),
        "name": event.title,
        "equipment_id/.id": str(await find_equipment(client, ids.get(event.equipment, event.equipment))),
        "maintenance_type": "corrective",
        "priority": _PRIORITIES.get(event.priority, "1"),
        "description": _description(event),
    }
    return [Step("load request", LOAD, imports.rows([values]), is_repeatable=True)]


async def read_states(client: OdooClient, since: datetime | None) -> list[WorkRequestState]:
    """The state of each request that changed at or after `since`, by its stage: archived is cancelled, a closing stage is done."""
    stages = await client.read(
        "maintenance.stage/search_read", {"domain": [], "fields": ["done"], "order": "sequence, id"}
    )
    closing = {stage["id"] for stage in stages if stage.get("done")}
    first = next((stage["id"] for stage in stages if not stage.get("done")), None)
    changed = [] if since is None else [["write_date", ">=", odoo_time(since)]]
    fields = ["stage_id", "archive", "write_date"]
    pages = client.pages("maintenance.request", fields, changed)
    records = [record async for record in pages]
    return readable(records, lambda record: _state(record, closing, first))


def _state(record: Mapping[str, Any], closing: set[int], first: int | None) -> WorkRequestState:
    stage, changed_at = record["stage_id"][0], instant(record["write_date"])
    if changed_at is None:
        raise BusinessError(f"maintenance request {record['id']} has no time of change in Odoo")
    state = RequestState.IN_PROGRESS
    if record["archive"]:
        state = RequestState.CANCELLED
    elif stage in closing:
        state = RequestState.DONE
    elif stage == first:
        state = RequestState.OPEN
    return WorkRequestState(str(record["id"]), state, shown(record["stage_id"]), changed_at)


async def find_equipment(client: OdooClient, path: str) -> int:
    """The id of the equipment whose serial number is the path, or else whose name is the path or its last part."""
    for field, value in (("serial_no", path), ("name", path), ("name", path.rpartition("/")[2])):
        body: dict[str, Any] = {"domain": [[field, "=", value]], "fields": ["name"], "limit": 2}
        records = await client.read("maintenance.equipment/search_read", body)
        if len(records) > 1:
            raise BusinessError(
                f"Odoo has several pieces of equipment with the {field} {value}: give one the serial number {path}"
            )
        if records:
            return int(records[0]["id"])
    raise BusinessError(f"Odoo has no equipment with the serial number {path}: register it, then replay this event")


def _description(event: WorkRequest) -> str:
    """HTML, as the field is in Odoo."""
    lines = [
        *event.description.splitlines(),
        f"Equipment {event.equipment}, failure mode {event.failure_mode}, priority {event.priority}",
        f"Detected at {event.detected_at.isoformat()}, ticket {event.ticket_id}",
        f"Event {event.event_id}",
    ]
    return "".join(f"<p>{escape(line)}</p>" for line in lines)
