"""Run the simulated plant: `python -m simulators.plant --help`."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
from pathlib import Path

from simulators.plant.bearing import WearPlan
from simulators.plant.flow import Pace
from simulators.plant.orders import ErpAccess
from simulators.plant.program import Plant, PlantSettings


def _arguments() -> argparse.ArgumentParser:
    wear, pace = WearPlan(), Pace()
    parser = argparse.ArgumentParser(prog="simulators.plant", description="A simulated plant.")
    add = parser.add_argument
    add("--seed", type=int, default=7, help="same seed, same machines (default 7)")
    add("--mqtt-url", default="mqtt://127.0.0.1:1883", help="broker of line 1; mqtts:// for TLS")
    add("--opcua-url", default="opc.tcp://127.0.0.1:4840", help="where line 2 listens")
    add("--erp-url", default="http://127.0.0.1:8069", help="where orders are read")
    add("--erp-key", default=os.environ.get("AMOR_SIMULATED_ERP_KEY", "simulated-key"), help="its API key")
    add("--erp-database", default="acme", help="its database name (default acme)")
    add("--truth", type=Path, help="JSON file of what really happened, rewritten every second")
    add("--duration", type=float, default=math.inf, help="simulated seconds of production (default: for ever)")
    add("--speed", type=float, default=1.0, help="simulated seconds in a real second (default 1)")
    add("--rate", type=float, default=5.0, help="measurements of each gauge in a simulated second (default 5)")
    add("--duplicate-share", type=float, default=0.0, help="share of messages sent twice on purpose (default 0)")
    add("--no-broken", action="store_true", help="send no broken payloads (default: one in about 15 s)")
    add("--buffer", type=int, default=pace.buffer_pieces, help="pieces that fit between two machines")
    add("--fault-after", type=float, default=wear.first_after_s, help="seconds until the bearing begins to wear")
    add("--fault-growth", type=float, default=wear.to_alarm_s, help="seconds from there to 4.5 mm/s")
    add("--fault-stays", type=float, default=wear.stays_s, help="seconds beyond 4.5 that make it count (6 up)")
    add("--repair-after", type=float, default=wear.repair_after_s, help="seconds from then to the repair")
    add("--repair-takes", type=float, default=wear.repair_takes_s, help="seconds of the repair")
    add("--fault-every", type=float, default=wear.next_after_s, help="seconds from a repair to the next fault")
    return parser


def _settings(given: argparse.Namespace) -> PlantSettings:
    return PlantSettings(
        seed=given.seed,
        mqtt_url=given.mqtt_url,
        opcua_url=given.opcua_url,
        erp=ErpAccess(given.erp_url, given.erp_key, given.erp_database),
        truth=given.truth,
        duration_s=given.duration,
        speed=given.speed,
        rate_hz=given.rate,
        duplicate_share=given.duplicate_share,
        broken=not given.no_broken,
        pace=Pace(buffer_pieces=given.buffer),
        wear=WearPlan(
            first_after_s=given.fault_after,
            to_alarm_s=given.fault_growth,
            stays_s=given.fault_stays,
            repair_after_s=given.repair_after,
            repair_takes_s=given.repair_takes,
            next_after_s=given.fault_every,
        ),
    )


def main() -> None:
    """Run until a signal."""
    parser = _arguments()
    given = parser.parse_args()
    if min(given.speed, given.rate) <= 0 or given.buffer < 1 or not 0 <= given.duplicate_share <= 1:
        parser.error("speed and rate must be above 0, buffer 1 or more, duplicate share from 0 to 1")
    asyncio.run(Plant(_settings(given)).run())


if __name__ == "__main__":
    main()
