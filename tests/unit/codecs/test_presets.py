"""Presets on payloads that their makers and users published."""

from __future__ import annotations

from datetime import datetime

import pytest

from bridge.codecs.presets import PRESETS
from bridge.config.settings import PRESET_TOPICS
from bridge.model.quality import BAD_NO_DATA
from bridge.model.reading import microseconds


def test_each_preset_has_a_topic_and_a_file():
    assert PRESETS.keys() == PRESET_TOPICS.keys()


def test_tasmota_energy_has_its_units_and_the_local_time_of_the_device(mapped, brief):
    decoded = mapped(
        "tele/lamp/SENSOR",
        '{"Time":"2022-07-11T21:57:38","ENERGY":{"TotalStartTime":"2020-10-21T22:15:00","Total":3.705,"Yesterday":0.028,'
        '"Today":0.026,"Period":1,"Power":5,"ApparentPower":5,"ReactivePower":0,"Factor":1.00,"Voltage":233,"Current":0.021}}',
        preset="tasmota",
        equipment="acme/{device}",
        time_zone="Europe/London",
    )
    told = brief(decoded)
    assert told["ENERGY.Power"] == (5.0, "W")
    assert told["ENERGY.Total"] == (3.705, "kW.h")
    assert "ENERGY.TotalStartTime" not in told
    assert {r.source_time_us for r in decoded.readings} == {
        microseconds(datetime.fromisoformat("2022-07-11T20:57:38Z"))
    }
    assert decoded.readings[0].tag.equipment == "acme/lamp"


@pytest.mark.parametrize(("unit", "code"), [("C", "Cel"), ("F", "[degF]")])
def test_tasmota_temperatures_have_the_unit_that_the_message_names(mapped, brief, unit, code):
    payload = f'{{"Time":"2019-01-01T00:00:00","AM2301":{{"Temperature":24.6,"Humidity":58.2}},"TempUnit":"{unit}"}}'
    told = brief(mapped("tele/a/SENSOR", payload, preset="tasmota"))
    assert told == {"AM2301.Temperature": (24.6, code), "AM2301.Humidity": (58.2, "%")}


def test_tasmota_state_and_last_will(mapped, brief):
    state = (
        '{"Time":"2018-03-02T18:25:02","Uptime":"0T00:00:19","Vcc":3.151,"POWER":"OFF",'
        '"Wifi":{"AP":1,"SSId":"TGV","RSSI":66,"APMac":"60:A4:4C:DC:F8:78"}}'
    )
    told = brief(mapped("tele/TH16/STATE", state, preset="tasmota"))
    assert told == {"Vcc": (3.151, "V"), "POWER": "OFF", "Wifi.AP": 1.0, "Wifi.RSSI": 66.0}
    assert brief(mapped("tele/TH16/LWT", "Online", preset="tasmota")) == {"LWT": "Online"}


@pytest.mark.parametrize(
    ("topic", "payload", "told"),
    [
        ("shellies/shelly1-X/relay/0", "off", {"relay.0": "off"}),
        ("shellies/shelly1-X/relay/0/power", "12.35", {"relay.0.power": (12.35, "W")}),
        ("shellies/shelly1-X/relay/0/energy", "1234", {"relay.0.energy": (1234.0, "W.min")}),
        ("shellies/shelly1-X/ext_temperature/0", "47.69", {"ext_temperature.0": (47.69, "Cel")}),
        ("shellies/shelly1-X/ext_temperature_f/0", "117.84", {"ext_temperature_f.0": (117.84, "[degF]")}),
        ("shellies/shelly1-X/online", "true", {"online": 1.0}),
        ("shellies/shelly1-X/announce", '{"id":"shelly1-X","model":"SHSW-1"}', {}),
        ("shellies/shelly1-X/relay/0/command", "on", {}),
    ],
)
def test_shelly_of_the_first_generation(mapped, brief, topic, payload, told):
    assert brief(mapped(topic, payload, preset="shelly")) == told


SWITCH = (
    '{"id":0,"source":"SHC","tag":null, "output":false, "apower":0.0, "voltage":238.3, "freq":50.0, "current":0.000, '
    '"aenergy":{"total":2690.730,"by_minute":[0.000,0.000,0.000],"minute_ts":1788945300}, '
    '"counts":{"on_time":241680,"on_time_rst_ts":0,"switch_on":192}, "temperature":{"tC":56.1, "tF":132.9}}'
)


def test_shelly_status_and_notification_name_their_tags_alike(mapped, brief):
    status = brief(mapped("plug/status/switch:0", SWITCH, preset="shelly", topic="{device}/status/{tag}"))
    rpc = f'{{"src":"plug","dst":"plug/events","method":"NotifyStatus","params":{{"ts":1788945300.02,"switch:0":{SWITCH}}}}}'
    notified = mapped("plug/events/rpc", rpc, preset="shelly", topic="{device}/events/rpc")
    assert brief(notified) == status
    assert status["switch.0.apower"] == (0.0, "W")
    assert status["switch.0.aenergy.total"] == (2690.73, "W.h")
    assert status["switch.0.temperature.tC"] == (56.1, "Cel")
    assert not [name for name in status if "minute" in name or name.endswith((".id", ".tF"))]
    assert {r.source_time_us for r in notified.readings} == {1_788_945_300_020_000}


def test_shelly_events_are_words_at_their_times(mapped, brief):
    rpc = (
        '{"src":"b","dst":"b/events","method":"NotifyEvent","params":{"ts":1631266595.43,"events":'
        '[{"component":"input:0","id":0,"event":"single_push","ts":1631266595.43}]}}'
    )
    decoded = mapped("b/events/rpc", rpc, preset="shelly", topic="{device}/events/rpc")
    assert brief(decoded) == {"input.0.event": "single_push"}
    assert decoded.readings[0].source_time_us == 1_631_266_595_430_000


def test_zigbee2mqtt_objects_have_units_and_the_time_when_last_seen(mapped, brief):
    decoded = mapped(
        "zigbee2mqtt/hall",
        '{"power":0,"consumption":0.32,"temperature":16,"linkquality":34,"last_seen":"2020-02-26T20:44:09+01:00",'
        '"state_left":"OFF","update":{"state":"idle"},"battery":null}',
        preset="zigbee2mqtt",
    )
    told = brief(decoded)
    assert told["temperature"] == (16.0, "Cel")
    assert told["state_left"] == "OFF"
    assert "update.state" not in told
    assert [r.quality for r in decoded.readings if r.tag.name == "battery"] == [BAD_NO_DATA]
    assert decoded.is_timed


@pytest.mark.parametrize(
    ("topic", "payload", "told"),
    [
        ("hall/sensor/temperature/state", "21.5", {"temperature": 21.5}),
        ("hall/switch/relay/state", "ON", {"relay": "ON"}),
        ("hall/light/lamp/state", '{"state":"ON","brightness":255}', {"lamp.state": "ON", "lamp.brightness": 255.0}),
        ("hall/sensor/temperature/state", "nan", {"temperature": None}),
    ],
)
def test_esphome_states(mapped, brief, topic, payload, told):
    assert brief(mapped(topic, payload, preset="esphome")) == told


@pytest.mark.parametrize(
    ("topic", "payload", "equipment", "told"),
    [
        (
            "umh/v1/acme/cologne/pack/line1/cell1/_historian/temperature",
            {"timestamp_ms": 1680807533000, "temperature": 12.1},
            "acme/cologne/pack/line1/cell1",
            {"temperature": 12.1},
        ),
        (
            "umh/v1/acme/cologne/_historian/head",
            {"timestamp_ms": 1680807533000, "pos": {"x": 1, "y": 2}},
            "acme/cologne",
            {"head.pos.x": 1.0, "head.pos.y": 2.0},
        ),
        (
            "umh/v1/acme/a/b/c/d/e/_historian/motor/temp",
            {"timestamp_ms": 1680807533000, "value": 12.1},
            "acme/a/b/c/d.e",
            {"motor.temp": 12.1},
        ),
    ],
)
def test_the_levels_of_a_unified_namespace_are_the_equipment(mapped, brief, topic, payload, equipment, told):
    decoded = mapped(topic, payload, preset="uns", equipment="")
    assert brief(decoded) == told
    assert {(r.tag.equipment, r.source_time_us) for r in decoded.readings} == {(equipment, 1_680_807_533_000_000)}
