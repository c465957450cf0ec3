"""How the process is: /health (it lives), /ready (the database answers and has this version's schema), /metrics (Prometheus)."""

from __future__ import annotations

from typing import Final

import psycopg
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from psycopg_pool import PoolTimeout
from starlette.responses import JSONResponse, Response

from bridge.store.migrate import pending
from dashboard.api.live.hub import Hub
from dashboard.api.tower import TheTower

router: Final = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> dict[str, str]:
    """The process lives."""
    return {"status": "alive"}


@router.get("/ready", responses={503: {"description": "The database is away or not migrated."}})
async def ready(tower: TheTower) -> JSONResponse:
    """Whether the tower can show the plant."""
    try:
        async with tower.pool.connection(timeout=2) as connection:
            missing = await pending(connection)
    except (psycopg.Error, PoolTimeout):
        return JSONResponse({"status": "the database does not answer"}, 503)
    if missing:
        return JSONResponse({"status": "the database lacks migrations", "migrations": missing}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
async def metrics(tower: TheTower) -> Response:
    """For Prometheus: clients and frames of the live feed."""
    registry = CollectorRegistry()
    registry.register(_HubCollector(tower.hub))
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


class _HubCollector:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        hub = self._hub
        return [
            GaugeMetricFamily("amor_live_clients", "Connected clients of the live feed.", hub.client_count),
            CounterMetricFamily("amor_live_frames", "Frames given to clients.", hub.frames_queued),
            CounterMetricFamily(
                "amor_live_conflated", "Snapshots that a newer one replaced before they went out.", hub.frames_conflated
            ),
            CounterMetricFamily(
                "amor_live_resyncs", "Clients that fell behind and got the whole state anew.", hub.resyncs
            ),
            CounterMetricFamily(
                "amor_live_dropped_clients",
                "Clients dropped because a frame could not be sent in time.",
                hub.clients_dropped,
            ),
        ]
