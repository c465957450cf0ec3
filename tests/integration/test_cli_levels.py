"""`amor check` of the tables [[connector.availability]]: each mistake with file and line, those that only the system knows as well."""

from __future__ import annotations

import pytest

from simulators.systems.erpnext.system import KEY, SECRET
from simulators.systems.webhook import SECRET as SIGNATURE
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.integration.test_cli_erp import amor

CONFIG = """\
[plant]
name = "test"
[database]
dsn = "host=nowhere"
[[connector]]
type = "erpnext"
name = "erp"
url = "{url}"
auth = {{ type = "api_key", prefix = "token ", key = "{key}" }}
[connector.locations]
FG = "Finished Goods - A"
{levels}
[[connector]]
type = "webhook"
name = "shop"
url = "http://localhost/hooks"
secrets = ["{secret}"]
{more}
"""
FIRST = 12  # line of the first of the levels


@pytest.fixture
async def check(tmp_path):
    """Exit code and what is printed of a file with these levels; the numbers of lines with mistakes."""
    async with SimulatedErpNext(tmp_path / "erp") as erp:

        async def run(levels, *options, more=""):
            file = tmp_path / "amor.toml"
            key = f"{KEY}:{SECRET}"
            file.write_text(CONFIG.format(url=erp.url, key=key, levels=levels, secret=SIGNATURE, more=more))
            code, printed = await amor("check", str(file), *options)
            named = [line.split(f"{file}:")[1] for line in printed.splitlines() if f"{file}:" in line]
            return code, printed, [int(text.split(":")[0]) - FIRST for text in named]

        yield run


def level(item="HSG-L1", to='["shop"]', more=""):
    return f'[[connector.availability]]\nitem = "{item}"\nto = {to}\n{more}'


async def test_levels_that_can_be_told_are_right(check):
    code, printed, _ = await check(level() + level(more='location = "FG"\n'), "--online")
    assert code == 0, printed


@pytest.mark.parametrize(
    ("levels", "message", "line"),
    [
        (level(to='["web"]'), "there is no connector web; there are: erp, shop", 2),
        (level(to='["erp"]'), "erp is the one that tells: name another", 2),
        (level() + level(item="B") + level(), "shop is told of HSG-L1 by erp already: one only", 8),
        (level() + level(to='["shop", "shop"]', item="B"), "shop is told of B by erp already", 5),
        (level(to="[]"), "at least 1 item", 2),
        (level(item=""), "at least 1 character", 1),
    ],
)
async def test_mistake_in_a_table_of_levels_is_told_with_its_line(check, levels, message, line):
    code, printed, lines = await check(levels)
    assert (code, lines) == (2, [line])
    assert message in " ".join(printed.split())


async def test_connector_that_tells_no_stock_or_takes_no_levels_is_told(check):
    people = '[[connector]]\ntype = "apprise"\nname = "shift"\nurl = "json://localhost"\nroles = ["shift"]\n'
    code, printed, lines = await check(level(to='["shift"]'), more=level(to='["erp"]') + people)
    assert code == 2
    text = " ".join(printed.split())
    assert "shift takes no levels; those that do: shop" in text
    assert "shop (webhook) cannot tell its stock: take the table away" in text
    assert "erp takes no levels" in text
    assert lines == [2, 9, 11]


async def test_item_and_location_that_the_system_does_not_know_are_told_with_their_lines(check):
    levels = level("no-such-item") + level() + level(more='location = "MOON"\n')
    assert (await check(levels))[0] == 0
    code, printed, lines = await check(levels, "--online")
    text = " ".join(printed.split())
    assert (code, lines) == (2, [1, 7])
    assert "erp: knows no stock of no-such-item:" in text
    assert "erp: knows no stock of HSG-L1 at MOON:" in text


async def test_role_of_the_relay_that_nobody_has_is_named_with_its_line(check):
    people = '[[connector]]\ntype = "apprise"\nname = "mail"\nurl = "json://localhost"\nroles = ["support"]\n'
    _, printed, lines = await check("", more=people + '[relay]\nnotify = [\n  "support",\n  "nobody",\n]\n')
    assert "relay.notify[1]: nobody has the role nobody" in printed
    assert len(lines) == 1
    assert (await check("", more=people + '[relay]\nnotify = ["support"]\n'))[0] == 0
