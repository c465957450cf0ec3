"""What a receiver of Standard Webhooks promises instead of lookups: it dedupes, and what it says decides."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bridge.erp.connector import Step
from bridge.erp.webhook import Webhook
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.production import MaterialActual, MaterialUse, event_id
from tests.contract.scenes import carry
from tests.erp_systems.webhook import SimulatedReceiver
from tests.faulty_proxy import FaultyProxy

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


async def test_wait_that_the_receiver_asks_for_is_handed_on_and_nothing_was_taken(receiver):
    async with Webhook(receiver.settings()) as webhook:
        (step,) = await webhook.plan(pieces(3, 3))
        await receiver.fail("429", seconds=7)
        with pytest.raises(TransientError) as raised:
            await webhook.execute(step)
        assert raised.value.retry_after == timedelta(seconds=7)
        assert not receiver.system.received
        await webhook.execute(step)
    assert (await receiver.truth())["good_posted_by_origin"]["MES-0001"] == 3


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (pieces(1, 1, order="NOWHERE"), "unknown_order"),
        (replace(pieces(1, 1), uom="furlong"), "bad_unit"),
        (pieces("0.0001", "0.0001"), "bad_quantity"),
        (replace(pieces(9999999, 9999999), use=MaterialUse.CONSUMED, item="BAR-60"), "negative_stock"),
    ],
)
async def test_refusal_of_the_receiver_parks_the_event_with_its_words_and_leaves_nothing(receiver, event, words):
    async with Webhook(receiver.settings()) as webhook:
        (step,) = await webhook.plan(event)
        for _ in range(2):  # replayed by a person: refused again, not taken for a duplicate
            with pytest.raises(BusinessError, match=words):
                await webhook.execute(step)
    assert not receiver.system.received


async def test_receiver_can_tell_by_the_numbers_that_an_earlier_event_is_missing():
    """Sequence, share and all so far stand in each message: a receiver that counts takes them in order only."""
    first, second = pieces(3, 3), pieces(4, 7, 2)
    async with SimulatedReceiver(has_status=False) as receiver, Webhook(receiver.settings()) as webhook:
        receiver.system.counts = True
        with pytest.raises(BusinessError, match="sequence 2: 3 came before"):
            await carry(webhook, second)
        for event in (first, second, second):
            assert (await carry(webhook, event)).is_posted
        assert (await receiver.truth())["good_posted_by_origin"]["MES-0001"] == 7


async def test_answer_that_drips_after_a_2xx_is_not_waited_for_and_the_message_goes_out_again(receiver):
    """The answer is read to its end, because a proxy may begin one that the receiver never gave."""
    async with FaultyProxy.before(receiver.port) as proxy:
        webhook = Webhook(receiver.settings(url=proxy.url, timeout_s=0.2))
        async with webhook:
            (step,) = await webhook.plan(pieces(3, 3))
            proxy.fail("drip")
            with pytest.raises(TransientError, match="no answer came"):
                await webhook.execute(step)
            await webhook.execute(step)
    truth = await receiver.truth()
    assert (truth["good_posted_by_origin"]["MES-0001"], truth["duplicates"]) == (3, 1)


async def test_message_is_signed_anew_each_time_so_that_a_late_one_is_not_too_old(receiver):
    async with Webhook(receiver.settings()) as webhook:
        (step,) = await webhook.plan(pieces(3, 3))
        stored = step.to_json()
        assert "webhook-timestamp" not in str(stored)
        assert "webhook-signature" not in str(stored)
        await webhook.execute(Step.from_json(stored))
    assert (await receiver.truth())["good_posted_by_origin"]["MES-0001"] == 3


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
