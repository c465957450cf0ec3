"""How long a system may still be at work on a request whose answer nobody waits for: until then an event is not looked up."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.config.settings.webhook import WebhookSettings
from bridge.erp import relay
from bridge.erp.relay.rhythm import DEFAULT
from bridge.erp.relay.telling import Audience
from simulators.systems.webhook import SECRET


async def settle(table):
    async with AsyncExitStack() as stack:
        lane = await relay._open(table, DEFAULT, stack, Audience())
        return lane.settle


async def test_system_is_given_as_long_as_its_answer_would_have_been_waited_for():
    table = {
        "type": "webhook",
        "name": "hook",
        "url": "https://hooks.example.com",
        "timeout_s": 7,
        "secrets": [SECRET],
    }
    assert await settle(WebhookSettings.model_validate(table)) == timedelta(seconds=7)


async def test_sap_is_given_as_long_as_a_work_process_may_run():
    table = {"type": "sap_s4", "name": "sap", "url": "https://s4.example.com", "plant": "1010"}
    assert await settle(SapS4Settings.model_validate(table)) == timedelta(seconds=660)
