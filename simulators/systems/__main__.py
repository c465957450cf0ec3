"""Run one of the simulated systems by hand: `python -m simulators.systems --help`."""

from __future__ import annotations

import argparse
import json

import uvicorn

from simulators.erp.failures import Failures
from simulators.systems.business_central import BusinessCentral
from simulators.systems.erpnext import ErpNext
from simulators.systems.generic import Generic
from simulators.systems.sap_s4 import SapS4
from simulators.systems.server import build_app
from simulators.systems.webhook import Receiver

SYSTEMS = {
    "sap_s4": SapS4,
    "business_central": BusinessCentral,
    "erpnext": ErpNext,
    "webhook": Receiver,
    "generic": Generic,
}


def main() -> None:
    """Parse the command line and serve until Ctrl-C; what it booked is in `/_truth`, failures are ordered at `/_control/fail`."""
    parser = argparse.ArgumentParser(prog="simulators.systems", description="A simulated business system, in memory.")
    parser.add_argument("system", choices=sorted(SYSTEMS), help="which one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default loopback)")
    parser.add_argument("--port", type=int, default=8070, help="port (default 8070)")
    parser.add_argument("--seed", type=int, default=7, help="of the failures by chance (default 7)")
    parser.add_argument(
        "--fail", type=float, default=0.0, help="share of changing requests that fail in some way (default 0)"
    )
    given = parser.parse_args()
    system = SYSTEMS[given.system]()
    print(json.dumps({"event": "system started", "url": f"http://{given.host}:{given.port}{system.root}"}), flush=True)  # noqa: T201  # a program that speaks to people
    app = build_app(system, Failures(given.seed, given.fail))
    uvicorn.run(app, host=given.host, port=given.port, log_level="error", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
