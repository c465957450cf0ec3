"""What really happened in the plant: the numbers against which the bridge's are held.

Pieces are counted as pieces, not as counter values. `good_made` counts finished goods only, pieces that passed
the final operation of a line; scrap counts at every machine. `readings_sent` counts every reading published or
written once, however often the network repeats it; a broken payload is one reading, and so one of `bad_sent`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

from simulators.plant.payloads import iso


class PlantTruth:
    """Counts of one run."""

    def __init__(self, seed: int, final_machines: frozenset[str]) -> None:
        self._seed = seed
        self._final_machines = final_machines
        self._readings: Counter[str] = Counter()
        self._messages: Counter[str] = Counter()
        self._pieces: dict[str, Counter[str]] = defaultdict(Counter)
        self._orders: dict[str, Counter[str]] = defaultdict(Counter)
        self._state_seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._orders_taken: dict[str, dict[str, object]] = {}
        self._faults: list[dict[str, object]] = []
        self.started_at: datetime | None = None
        self.stopped_at: datetime | None = None
        self.finished = False
        self.delivered = False

    def sent(self, source: str, readings: int, messages: int = 0) -> None:
        """Count readings handed over to a source (`mqtt`, `opcua`), and the messages that carried them."""
        self._readings[source] += readings
        self._messages["sent"] += messages

    def sent_bad(self) -> None:
        """Count a broken payload, which is one reading of one message."""
        self.sent("mqtt", 1, 1)
        self._messages["bad"] += 1

    def sent_twice(self) -> None:
        """Count a message sent again on purpose; its readings were counted before."""
        self._messages["duplicates"] += 1

    def refused(self) -> None:
        """Count a message that was never sent because the gateway's queue was full."""
        self._messages["refused"] += 1

    def piece(self, machine: str, order: str, good: bool) -> None:
        """Count a piece that a machine finished."""
        self._pieces[machine]["good" if good else "scrap"] += 1
        if not good:
            self._orders[order]["scrap"] += 1
        elif machine in self._final_machines:
            self._orders[order]["good"] += 1

    def state(self, machine: str, state: str, seconds: float) -> None:
        """Count time that a machine spent in a state."""
        self._state_seconds[machine][state] += seconds

    def order_taken(self, number: str, line: str, quantity: int) -> None:
        """Note an order that the plant read from the ERP."""
        self._orders_taken[number] = {"line": line, "quantity": quantity}

    def fault(self, machine: str, mode: str, started: datetime, crossed: datetime) -> None:
        """Note a fault that counts."""
        self._faults.append({"machine": machine, "mode": mode, "started": iso(started), "crossed_4_5_at": iso(crossed)})

    def document(self) -> Mapping[str, object]:
        """The truth as it is now, for a JSON file."""
        made = self._pieces
        return {
            "seed": self._seed,
            "started_at": iso(self.started_at) if self.started_at else None,
            "stopped_at": iso(self.stopped_at) if self.stopped_at else None,
            "readings_sent": self._readings.total(),
            "readings_by_source": {source: self._readings[source] for source in ("mqtt", "opcua")},
            "messages_sent": self._messages["sent"],
            "bad_sent": self._messages["bad"],
            "duplicates_sent": self._messages["duplicates"],
            "refused": self._messages["refused"],
            "good_made": sum(made[machine]["good"] for machine in self._final_machines),
            "scrap_made": sum(pieces["scrap"] for pieces in made.values()),
            "by_order": {
                number: {**taken, "good": self._orders[number]["good"], "scrap": self._orders[number]["scrap"]}
                for number, taken in self._orders_taken.items()
            },
            "by_machine": {m: {"good": p["good"], "scrap": p["scrap"]} for m, p in made.items()},
            "state_seconds": {
                m: {state: round(s, 3) for state, s in states.items()} for m, states in self._state_seconds.items()
            },
            "faults": list(self._faults),
            "finished": self.finished,
            "delivered": self.delivered,
        }
