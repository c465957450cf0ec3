from __future__ import annotations

import asyncio

import orjson
import pytest

from dashboard.api.live.hub import Client, Hub


class Browser:
    """A client's end: reads what is sent, or hangs from the first frame on."""

    def __init__(self, hub: Hub, *, hangs: bool = False, client: Client | None = None) -> None:
        self.client = client or Client("shift")
        self.frames: list[dict] = []
        self.hangs = hangs
        self.resynced = 0
        self.got_something = asyncio.Event()
        self.task = asyncio.ensure_future(hub.serve(self.client, self.send, self.resync))

    async def send(self, frame: bytes) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.frames.append(orjson.loads(frame))
        self.got_something.set()

    async def resync(self, _client: Client) -> list[bytes]:
        self.resynced += 1
        return [b'{"type": "snapshot", "seq": 0}']

    async def wait_for(self, n: int) -> list[dict]:
        while len(self.frames) < n:
            self.got_something.clear()
            await asyncio.wait_for(self.got_something.wait(), 5)
        return self.frames


@pytest.fixture
async def end():
    tasks: list[asyncio.Task] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_snapshot_is_sent_before_anything_else(end):
    hub = Hub()
    browser = Browser(hub)
    end.append(browser.task)
    await asyncio.sleep(0)
    hub.publish_event("alarm", {"alarm": {"id": 1}})
    frames = await browser.wait_for(2)
    assert [frame["type"] for frame in frames] == ["snapshot", "alarm"]


async def test_stuck_client_is_dropped_without_delaying_the_others(end):
    hub = Hub(send_timeout_s=0.05)
    stuck, well = Browser(hub, hangs=True), Browser(hub)
    end += [stuck.task, well.task]
    await well.wait_for(1)
    for n in range(100):
        hub.publish_event("alarm", {"n": n})
    frames = await well.wait_for(101)
    assert [frame["n"] for frame in frames[1:]] == list(range(100))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(stuck.task), 5)
    assert (hub.client_count, hub.clients_dropped) == (1, 1)


async def test_states_are_conflated_and_events_are_not():
    client = Client("shift")
    for n in range(3):
        client.put_state("kpis:None", b"kpis %d" % n)
        client.put_event(b"alarm %d" % n)
    assert client.take() == [b"alarm 0", b"alarm 1", b"alarm 2", b"kpis 2"]


async def test_full_queue_drops_the_events_and_asks_for_the_whole_state():
    client = Client("shift", queue=2)
    client.needs_resync = False
    assert [client.put_event(b"a"), client.put_event(b"b"), client.put_event(b"c")] == [True, True, False]
    assert client.needs_resync
    assert client.take() == []


async def test_client_that_fell_behind_gets_the_state_anew_and_goes_on(end):
    hub = Hub()
    browser = Browser(hub)
    end.append(browser.task)
    await browser.wait_for(1)
    browser.client.ask_resync()
    await browser.wait_for(2)
    hub.publish_event("alarm", {})
    assert [frame["type"] for frame in await browser.wait_for(3)] == ["snapshot", "snapshot", "alarm"]


async def test_frames_go_to_those_who_look_at_the_window_and_the_machine(end):
    hub = Hub()
    everything, narrow = Browser(hub), Browser(hub, client=Client("15m"))
    narrow.client.machines = frozenset({7})
    end += [everything.task, narrow.task]
    await asyncio.gather(everything.wait_for(1), narrow.wait_for(1))
    hub.publish_state("kpis", {"w": "shift"}, window="shift")
    hub.publish_state("kpis", {"w": "15m"}, window="15m")
    hub.publish_event("points", {"m": 3}, machine=3)
    hub.publish_event("points", {"m": 7}, machine=7)
    wide = await everything.wait_for(4)
    assert {(f["type"], f.get("w"), f.get("m")) for f in wide[1:]} == {
        ("kpis", "shift", None),
        ("points", None, 3),
        ("points", None, 7),
    }
    few = await narrow.wait_for(3)
    assert {(f["type"], f.get("w"), f.get("m")) for f in few[1:]} == {("kpis", "15m", None), ("points", None, 7)}


async def test_every_frame_has_a_higher_number(end):
    hub = Hub()
    browser = Browser(hub)
    end.append(browser.task)
    await browser.wait_for(1)
    hub.publish_event("alarm", {})
    hub.publish_event("ticket", {})
    numbers = [frame["seq"] for frame in await browser.wait_for(3)]
    assert numbers == sorted(set(numbers))
