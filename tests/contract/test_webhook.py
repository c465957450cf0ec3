"""What a receiver of Standard Webhooks promises instead of lookups: it dedupes, and what it says decides."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.erp.webhook import Webhook
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.production import MaterialActual, event_id
from tests.erp_systems.webhook import SimulatedReceiver

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


def pieces(quantity, cumulative, sequence=1, order="MES-0001"):
    fact = event_id("test", order, sequence)
    return MaterialActual(fact, order, sequence, AT, Decimal(quantity), Decimal(cumulative), "1", "acme/a")


@pytest.fixture
async def receiver():
    async with SimulatedReceiver(has_status=False) as running:
        yield running


@asynccontextmanager
async def answering(answer):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_message_whose_answer_was_lost_is_sent_again_and_counted_once(receiver):
    async with Webhook(receiver.settings(timeout_s=0.3)) as webhook:
        (step,) = await webhook.plan(pieces(3, 3))
        for mode in ("timeout_after_commit", "drop_after_commit", "500"):
            await receiver.fail(mode)
            with pytest.raises(TransientError):
                await webhook.execute(step)
        assert not (await webhook.lookup(pieces(3, 3))).is_posted
        await webhook.execute(step)
        assert (await webhook.verify(pieces(3, 3))).is_posted
    truth = await receiver.truth()
    assert truth["good_posted_by_origin"]["MES-0001"] == 3
    assert truth["duplicates"] == 2


async def test_what_the_receiver_refuses_is_for_a_person(receiver):
    async with Webhook(receiver.settings()) as webhook:
        (step,) = await webhook.plan(pieces(1, 1, order="NOWHERE"))
        with pytest.raises(BusinessError, match="unknown_order"):
            await webhook.execute(step)


async def test_wrong_secret_is_a_matter_of_credentials(receiver):
    async with Webhook(receiver.settings(api_key="wrong-key-7731-wrong-key-7731")) as webhook:
        (step,) = await webhook.plan(pieces(1, 1))
        with pytest.raises(CredentialsError) as raised:
            await webhook.execute(step)
    assert "whsec" not in f"{raised.value} {raised.value.__cause__}"
    assert not receiver.system.received


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 x\r\nContent-Length: 3\r\n\r\nbad",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
async def test_answer_that_is_no_2xx_is_no_receipt(receiver, answer):
    async with answering(answer) as url, Webhook(receiver.settings(url=url)) as webhook:
        (step,) = await webhook.plan(pieces(1, 1))
        with pytest.raises(TransientError):
            await webhook.execute(step)
