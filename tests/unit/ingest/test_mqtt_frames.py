"""What the batch reader makes of any bytes is what paho's own reading makes of them."""

from __future__ import annotations

import random
import socket
from itertools import pairwise

import paho.mqtt.client as paho
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

from bridge.sources import mqtt_frames
from bridge.sources.mqtt_frames import Frames
from bridge.sources.mqtt_reader import BatchClient
from bridge.sources.mqtt_self_check import as_publish, batch_reader_fault

ONCE_FOR_ALL = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the way is the same for all examples
V311, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
CONNACK = {V311: b"\x20\x02\x00\x00", V5: b"\x20\x03\x00\x00\x00"}
EXPIRY, CONTENT, SUBSCRIPTION = b"\x02\x00\x00\x00\x09", b"\x03\x00\x04json", b"\x0b\xff\x01"
PROPERTIES = [b"", EXPIRY, CONTENT, SUBSCRIPTION, EXPIRY + SUBSCRIPTION, b"\x26\x00\x01a\x00\x01b"]


@pytest.fixture(autouse=True, params=["one by one", "in columns"])
def way(request, monkeypatch):
    """Much is read in columns, little one by one: both must read the same."""
    monkeypatch.setattr(mqtt_frames, "_MANY_BYTES", 0 if request.param == "in columns" else 2**40)


def frame(first, body):
    length, written = len(body), b""
    while True:
        length, digit = length >> 7, length & 0x7F
        written += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([first]) + written + body


def publish(version, qos, flags, topic, packet_id, properties, payload):
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if qos else b"")
    if version == V5:
        body += bytes([len(properties)]) + properties
    return frame(0x30 | qos << 1 | flags, body + payload)


def publishes(version):
    return st.builds(
        publish,
        st.just(version),
        st.sampled_from([0, 1, 1, 2]),
        st.sampled_from([0, 1, 8, 9]),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20).map(str.encode),
        st.integers(0, 65535),
        st.sampled_from(PROPERTIES),
        st.binary(max_size=200) | st.integers(0, 70_000).map(bytes),
    )


def packets(version):
    others = [b"\xd0\x00", b"\xc0\x00", frame(0x62, b"\x00\x07")]
    return st.lists(publishes(version) | st.sampled_from(others), max_size=8).map(b"".join)


def stock(version):
    seen = []
    client = paho.Client(CallbackAPIVersion.VERSION2, "test", None, protocol=version, manual_ack=True)
    client.on_message = lambda _client, _data, message: seen.append(as_publish(message))
    return client, client.loop_read, seen


def batch(version):
    seen = []
    client = BatchClient(seen.extend, CallbackAPIVersion.VERSION2, "test", None, protocol=version, manual_ack=True)
    client.on_message = lambda _client, _data, message: seen.append(as_publish(message))
    return client, client.read_batch, seen


def run(made, pieces):
    """What the client handed over, how it ended, and what it wrote."""
    client, read, seen = made
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        client._sock = ours
        client.on_socket_register_write = lambda *_: None
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        for piece in pieces:
            rest = memoryview(piece)
            while rest and result == MQTTErrorCode.MQTT_ERR_SUCCESS:
                rest = rest[theirs.send(rest[:100_000]) :]
                result = _read_all(client, read, ours)
        written = b"".join(bytes(packet["packet"]) for packet in client._out_packet)
        client._sock = None
        return seen, result, written


def _read_all(client, read, ours):
    while client._sock is ours:
        try:
            ours.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        if (result := read()) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return result
    return MQTTErrorCode.MQTT_ERR_NO_CONN


def cut(content, places):
    edges = [0, *sorted(place % (len(content) + 1) for place in places), len(content)]
    return [content[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize("version", [V311, V5])
@ONCE_FOR_ALL
@given(data=st.data())
def test_frames_cut_anywhere_are_read_as_paho_reads_them(version, data):
    content = CONNACK[version] + data.draw(packets(version))
    pieces = cut(content, data.draw(st.lists(st.integers(0, 2**20), max_size=6)))
    assert run(batch(version), pieces) == run(stock(version), pieces)


@pytest.mark.parametrize("version", [V311, V5])
def test_frames_that_come_byte_by_byte_are_read(version):
    content = CONNACK[version] + publish(version, 1, 8, b"a/b", 513, EXPIRY, b"x" * 200) * 2
    pieces = [content[n : n + 1] for n in range(len(content))]
    seen, result, _ = run(batch(version), pieces)
    assert seen == [(0x3A, 513, b"a/b", b"x" * 200)] * 2
    assert result == MQTTErrorCode.MQTT_ERR_SUCCESS


@pytest.mark.parametrize("version", [V311, V5])
@ONCE_FOR_ALL
@given(st.data())
def test_bytes_that_paho_refuses_are_refused_after_the_same_messages(version, data):
    good = data.draw(packets(version))
    noise = data.draw(st.binary(min_size=1, max_size=40))
    at = data.draw(st.integers(0, len(good)))
    content = CONNACK[version] + good[:at] + noise + good[at:]
    ours, theirs = run(batch(version), [content]), run(stock(version), [content])
    if _has_empty_topic(ours[0], theirs[0]):
        return  # MQTT 5 without an alias: paho hands it over, here it is the protocol error that it is
    assert ours[0] == theirs[0]
    if _waits_for_a_fifth_byte(content, theirs[1]):
        return  # a length has four bytes at most: paho refuses it at the fifth, here it is refused at the fourth
    assert (ours[1] == MQTTErrorCode.MQTT_ERR_SUCCESS) == (theirs[1] == MQTTErrorCode.MQTT_ERR_SUCCESS)


def _waits_for_a_fifth_byte(content, result):
    return result == MQTTErrorCode.MQTT_ERR_SUCCESS and all(byte >= 0x80 for byte in content[-4:])


def test_length_that_goes_on_after_its_fourth_byte_is_refused_without_waiting_for_a_fifth():
    seen, result, _ = run(batch(V311), [CONNACK[V311] + b"\x32\x80\x80\x80\x80"])
    assert (seen, result) == ([], MQTTErrorCode.MQTT_ERR_PROTOCOL)


def _has_empty_topic(ours, theirs):
    return len(theirs) > len(ours) and not theirs[len(ours)][2]


@pytest.mark.parametrize(
    "content",
    [
        b"\x32\x01\x00",
        b"\x32\x03\x00\x05a",
        b"\x32\x03\x00\x01a",
        b"\x30\x02\x00\x00",
        b"\x32\xff\xff\xff\xff\x01",
        b"\x36\x05\x00\x01a\x00\x01",
        b"\xf0\x00",
    ],
)
def test_a_malformed_frame_ends_the_connection_and_the_messages_before_it_are_kept(content):
    good = publish(V311, 1, 0, b"a", 1, b"", b"1")
    seen, result, _ = run(batch(V311), [CONNACK[V311] + good + content])
    assert seen == [(0x32, 1, b"a", b"1")]
    assert result == MQTTErrorCode.MQTT_ERR_PROTOCOL


def test_half_a_frame_of_a_lost_connection_is_not_joined_with_the_next_one():
    client, _, _ = batch(V311)
    client._frames.keep(b"\x32\x7f", 127)
    client._host, client._port = "127.0.0.1", 9
    client._create_socket = lambda: (_ for _ in ()).throw(ConnectionRefusedError())
    with pytest.raises(ConnectionRefusedError):
        client.reconnect()
    assert client._frames.join(b"\x32") == b"\x32"


def test_a_topic_alias_stands_for_its_topic_until_the_connection_ends():
    frames, found = Frames(is_v5=True), []
    named = publish(V5, 1, 0, b"long/topic", 1, b"\x23\x00\x07", b"1")
    short = publish(V5, 1, 0, b"", 2, b"\x23\x00\x07", b"2")
    frames.read(named + short, 0, found)
    assert [publish[2] for publish in found] == [b"long/topic", b"long/topic"]
    with pytest.raises(MalformedPacket):
        Frames(is_v5=True).read(short, 0, [])


def test_a_large_payload_in_many_pieces_is_joined_once():
    content = publish(V311, 1, 0, b"a", 1, b"", random.Random(1).randbytes(10_000_000))
    frames, found, joins = Frames(is_v5=False), [], 0
    for at in range(0, len(content), 262_144):
        joined = frames.join(content[at : at + 262_144])
        if joined is not None:
            joins += 1
            position, missing = frames.read(joined, 0, found)
            frames.keep(joined[position:], missing)
    assert len(found[0][3]) == 10_000_000
    assert joins == 2


def test_the_installed_paho_passes_the_self_check():
    assert batch_reader_fault.__wrapped__() == ""


def test_a_paho_that_works_otherwise_fails_the_self_check(monkeypatch):
    monkeypatch.setattr(BatchClient, "_packet_handle", lambda _: MQTTErrorCode.MQTT_ERR_SUCCESS)
    assert "reads" in batch_reader_fault.__wrapped__()
    monkeypatch.delattr(paho.Client, "_sock_recv")
    assert "AttributeError" in batch_reader_fault.__wrapped__()


def test_acks_are_joined_and_written_in_order():
    client, _, _ = batch(V5)
    client.on_socket_register_write = lambda *_: None
    client.ack_batch([5, 3, 65535])
    assert [bytes(packet["packet"]) for packet in client._out_packet] == [
        b"\x40\x02\x00\x05\x40\x02\x00\x03\x40\x02\xff\xff"
    ]
