"""What maintenance systems say of the requests that tickets made there: kept beside the ticket's own state, which is people's here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg.types.json import Jsonb

from bridge.model.production import WorkRequestState
from bridge.model.text import storable
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("work_request")


async def take_states(connection: Connection, connector: str, states: Sequence[WorkRequestState]) -> int:
    """Keep states that are news, each with a line in its ticket's history; how many they were. Unknown requests are left out."""
    rows = [
        {
            "external_id": state.external_id,
            "state": str(state.state),
            "said": storable(state.said),
            "changed_at": state.changed_at.isoformat(),
        }
        for state in states
    ]
    if not rows:
        return 0
    values = {"connector": connector, "states": Jsonb(rows)}
    return len(await (await connection.execute(_QUERIES.take_states, values)).fetchall())
