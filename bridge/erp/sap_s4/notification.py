"""Requests for maintenance as notifications (API_MAINTNOTIFICATION), and their states back."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import Found
from bridge.erp.http import Request
from bridge.erp.odata import literal
from bridge.erp.posting import key16
from bridge.erp.sap_s4.goods import edm_day
from bridge.erp.sap_s4.odata import Draft, Gateway, Row, instant, since_literal
from bridge.errors import BusinessError
from bridge.model.production import RequestState, WorkRequest, WorkRequestState

NOTIFICATIONS: Final = "API_MAINTNOTIFICATION/MaintenanceNotification"
EQUIPMENT: Final = "API_EQUIPMENT/Equipment"
_LONGEST_TITLE: Final = 40
_LONGEST_TEXT: Final = 1333
_PHASES: Final = {
    "1": RequestState.OPEN,
    "2": RequestState.OPEN,  # postponed
    "3": RequestState.IN_PROGRESS,
    "4": RequestState.DONE,
    "5": RequestState.CANCELLED,  # marked for deletion
}


class Notifications:
    """The maintenance notifications."""

    def __init__(self, settings: SapS4Settings, gateway: Gateway) -> None:
        self._settings = settings
        self._gateway = gateway

    async def find(self, event: WorkRequest) -> Found:
        """The notification that carries the event's key as its external reference."""
        query = {"$filter": f"MaintNotifExtReferenceNumber eq {literal(key16(event.event_id))}"}
        row = await self._gateway.first(NOTIFICATIONS, query)
        return Found(is_posted=False) if row is None else Found(is_posted=True, external_id=_number(row))

    async def plan(self, event: WorkRequest) -> list[Draft]:
        """The notification; none where SAP has it. Raises BusinessError where SAP does not know the equipment."""
        if (await self.find(event)).is_posted:
            return []
        local = event.detected_at.astimezone(ZoneInfo(self._settings.time_zone or "UTC"))
        body = {
            "NotificationType": self._settings.notification_type,
            "NotificationText": event.title[:_LONGEST_TITLE],
            "MaintNotifLongTextForEdit": _long_text(event),
            "TechnicalObject": await self._equipment(event.equipment),
            "TechObjIsEquipOrFuncnlLoc": "EAMS_EQUI",
            "MaintPriority": self._settings.priorities.get(event.priority, ""),
            "MalfunctionStartDate": edm_day(local.date()),
            "MalfunctionStartTime": f"PT{local:%H}H{local:%M}M{local:%S}S",
            "MaintNotifExtReferenceNumber": key16(event.event_id),
        }
        request = Request("POST", NOTIFICATIONS, is_repeatable=False, json=body)
        return [Draft("post work_request", event.event_id, request)]

    async def knows(self, number: str) -> bool:
        """Whether SAP has the equipment."""
        return await self._gateway.first(EQUIPMENT, {"$filter": f"Equipment eq {literal(number)}"}) is not None

    async def read_states(self, since: datetime | None) -> list[WorkRequestState]:
        """Of every notification with an external reference of ours that changed."""
        clauses = ["MaintNotifExtReferenceNumber ne ''"]
        clauses += [] if since is None else [f"LastChangeDateTime ge {since_literal(since)}"]
        query = {"$filter": " and ".join(clauses)}
        rows = await self._gateway.rows(NOTIFICATIONS, query, order="MaintenanceNotification")
        return [state for row in rows if (state := _state(row)) is not None]

    async def _equipment(self, path: str) -> str:
        number = self._settings.equipment_ids.get(path, path)
        if not await self.knows(number):
            raise BusinessError(
                f"SAP has no equipment {number} for {path}: give the connector's equipment_ids its number, then replay this event"
            )
        return number


def _long_text(event: WorkRequest) -> str:
    """Who asks comes first, so that a long description cuts nothing else off."""
    return f"{event.title}\nEvent {event.event_id}, ticket {event.ticket_id}\n{event.description}"[:_LONGEST_TEXT]


def _number(row: Row) -> str:
    return str(row.get("MaintenanceNotification", ""))


def _state(row: Row) -> WorkRequestState | None:
    phase, changed = str(row.get("NotifProcessingPhase", "")), instant(row.get("LastChangeDateTime"))
    if phase not in _PHASES or changed is None:
        return None
    return WorkRequestState(_number(row), _PHASES[phase], phase, changed)
