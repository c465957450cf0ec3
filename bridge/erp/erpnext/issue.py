"""Requests for maintenance as Issues, and their states back."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Final

from bridge.config.settings.erpnext import ErpNextSettings
from bridge.erp.connector import Found
from bridge.erp.erpnext.site import Row, Site, resource
from bridge.erp.http import Request
from bridge.erp.posting import instant_of, local_time, readable
from bridge.errors import BusinessError
from bridge.model.production import RequestState, WorkRequest, WorkRequestState

ISSUE: Final = "Issue"
_STATES: Final = {
    "Open": RequestState.OPEN,
    "Replied": RequestState.IN_PROGRESS,
    "On Hold": RequestState.IN_PROGRESS,
    "Resolved": RequestState.DONE,
    "Closed": RequestState.DONE,
}


class Issues:
    """The Issues of a site."""

    def __init__(self, settings: ErpNextSettings, site: Site) -> None:
        self._settings = settings
        self._site = site

    async def find(self, event: WorkRequest) -> Found:
        """The Issue with the event's id."""
        row = await self._site.first(ISSUE, [], [[self._settings.event_id_field, "=", str(event.event_id)]])
        return Found(is_posted=False) if row is None else Found(is_posted=True, external_id=str(row["name"]))

    async def plan(self, event: WorkRequest) -> Request | None:
        """The Issue's request; None where the site has it. Raises BusinessError where it does not know the asset."""
        if (await self.find(event)).is_posted:
            return None
        local = local_time(event.detected_at, self._settings.time_zone)
        lines = [*event.description.splitlines(), f"Equipment {event.equipment}, failure mode {event.failure_mode}"]
        document = {
            "subject": event.title,
            "priority": self._settings.priorities.get(event.priority, ""),
            "description": "".join(f"<p>{escape(line)}</p>" for line in [*lines, f"Event {event.event_id}"]),
            "opening_date": f"{local:%Y-%m-%d}",
            "opening_time": f"{local:%H:%M:%S}",
            self._settings.asset_field: await self.asset(event.equipment),
            self._settings.event_id_field: str(event.event_id),
        }
        return Request("POST", resource(ISSUE), is_repeatable=False, json=document)

    async def asset(self, path: str) -> str:
        """The Asset of an equipment path: by the connector's table, else by its asset name. Raises BusinessError for none."""
        known = self._settings.equipment_ids.get(path)
        filters = [["asset_name", "=", path]] if known is None else [["name", "=", known]]
        row = await self._site.first("Asset", [], filters)
        if row is None:
            raise BusinessError(
                f"ERPNext has no Asset {known or path} for {path}: register it, or give the connector's equipment_ids its name"
            )
        return str(row["name"])

    async def read_states(self, since: datetime | None) -> list[WorkRequestState]:
        """Of every Issue with an event of ours that changed."""
        filters = [[self._settings.event_id_field, "is", "set"]]
        if since is not None:
            filters.append(["modified", ">=", frappe_time(since, self._settings.time_zone)])
        return readable(await self._site.rows(ISSUE, ["status", "modified"], filters), self._state)

    def _state(self, row: Row) -> WorkRequestState:
        changed, said = instant_of(row["modified"], self._settings.time_zone), str(row["status"])
        if changed is None:
            raise BusinessError(f"Issue {row['name']} names no time of its change")
        return WorkRequestState(str(row["name"]), _STATES.get(said, RequestState.IN_PROGRESS), said, changed)


def frappe_time(moment: datetime, zone: str) -> str:
    """A time as Frappe compares it: of the site's zone, which it does not name."""
    return f"{local_time(moment, zone):%Y-%m-%d %H:%M:%S}"
