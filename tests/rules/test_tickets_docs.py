"""What docs/alarms.md shows is what runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from bridge.config.settings import AlarmsSettings, AppriseSettings, Settings, TagWriteSettings, TicketsSettings
from bridge.model.ticket import Step
from dashboard.api import alarm_load, operators, tickets

PAGE = (Path(__file__).parents[2] / "docs" / "alarms.md").read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def settings_of(block):
    text = block.replace('{ env = "SHIFT_MAIL_URL" }', '"mailtos://a:b@mail.example.com?to=c@example.com"')
    return Settings.model_validate({"plant": {"name": "x"}, "database": {"dsn": "x"}, **tomllib.loads(text)})


def test_every_configuration_that_is_shown_is_one():
    shown = [settings_of(block) for block in BLOCKS]
    assert len(shown) == 4
    assert {type(table) for each in shown for table in each.connector} == {AppriseSettings, TagWriteSettings}


def test_values_that_are_said_to_be_defaults_are():
    alarms, promises, mail, writes = (settings_of(block) for block in BLOCKS)
    assert alarms.alarms.longest_shelving == AlarmsSettings().longest_shelving
    assert alarms.alarms.first_up == AlarmsSettings().first_up
    assert (promises.tickets.reopen_within, promises.tickets.warn_at) == (
        TicketsSettings().reopen_within, TicketsSettings().warn_at,
    )  # fmt: skip
    fields = AppriseSettings.model_fields
    assert (mail.connector[0].passes, mail.connector[0].rate, mail.connector[0].per) == (
        fields["passes"].default, fields["rate"].default, fields["per"].default,
    )  # fmt: skip
    assert writes.connector[0].expires == TagWriteSettings.model_fields["expires"].default


def test_every_address_that_is_named_is_served():
    served = {route.path for router in (operators.router, tickets.router, alarm_load.router) for route in router.routes}
    named = {path.partition("?")[0] for path in re.findall(r"/api/v1(/[a-z0-9/{}_.?=&:-]+)", PAGE)} - {"/openapi.json"}
    known = {re.sub(r"\{\w+\}", "{id}", path).removeprefix("/api/v1") for path in served}
    assert {re.sub(r"ticket:7$", "", path) for path in named} <= known


def test_every_step_of_a_ticket_is_in_the_table():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert {str(step) for step in Step} <= named
