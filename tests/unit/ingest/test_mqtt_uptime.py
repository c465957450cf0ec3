"""What is said of a connection that was lost is what can be known."""

from __future__ import annotations

import pytest

from bridge.sources.mqtt_uptime import AWAY, CONNECTION_LOST, RESTARTED, SESSION_LOST, UptimeAnswer, cause_of


@pytest.mark.parametrize(
    ("present", "refused", "since", "earlier", "said"),
    [
        (True, False, 1000, 990, (CONNECTION_LOST, True)),
        (True, False, 990, 1000, (CONNECTION_LOST, True)),  # the uptime that is published is some seconds old
        (True, False, None, 1000, (CONNECTION_LOST, True)),
        (True, False, 1000, None, (CONNECTION_LOST, True)),
        (True, False, 2000, 1000, (RESTARTED, False)),
        (True, True, 2000, 1000, (RESTARTED, False)),
        (True, True, 1000, 1000, (AWAY, False)),
        (True, True, None, None, (AWAY, False)),
        (False, True, 2000, 1000, (SESSION_LOST, False)),
        (False, False, None, None, (SESSION_LOST, False)),
    ],
)
def test_the_cause_is_what_the_broker_and_the_connection_tell(present, refused, since, earlier, said):
    assert cause_of(is_present=present, was_refused=refused, since=since, earlier_since=earlier) == said


@pytest.mark.parametrize(("payload", "seconds"), [(b"17 seconds", 17), (b"17", 17), (b"", None), (b"\xff", None)])
async def test_the_answer_is_picked_from_the_messages_and_the_others_stay(payload, seconds):
    other = (0x32, 1, b"a", b"1")
    answer = UptimeAnswer()
    assert answer.pick([other]) == [other]
    assert answer.pick([other, (0x31, 0, b"$SYS/broker/uptime", payload), other]) == [other, other]
    assert await answer.seconds() == seconds
