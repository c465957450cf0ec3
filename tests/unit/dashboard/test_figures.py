from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson

from dashboard.api.models import Limit, StateSpan, TrendAnswer, TrendPoint
from dashboard.control_tower import figures

END = datetime(2026, 5, 1, 12, tzinfo=UTC)
START = END - timedelta(hours=1)
LIMIT = Limit(severity="high", value=4.5, above=True, rule="vibration")


def _trend(*values: float | None) -> TrendAnswer:
    points = [
        TrendPoint(ts=START + timedelta(minutes=n), value=value, low=value, high=value)
        for n, value in enumerate(values)
    ]
    return TrendAnswer(tag_id=1, unit="Cel", points=points, limits=[LIMIT])


def _roles(figure: dict) -> list[str]:
    return [trace["meta"]["role"] for trace in figure["data"]]


def test_trend_is_plain_json():
    assert orjson.loads(orjson.dumps(figures.trend(_trend(1.0, 2.0), START, END)))["layout"]["xaxis"]["type"] == "date"


def test_bad_readings_are_a_gap_in_the_line():
    figure = figures.trend(_trend(1.0, None, 2.0), START, END)
    value = figure["data"][_roles(figure).index("value")]
    assert value["y"] == [1.0, None, 2.0]
    assert value["connectgaps"] is False


def test_limit_is_a_line_with_its_word_and_stays_in_view():
    figure = figures.trend(_trend(1.0), START, END)
    assert figure["layout"]["shapes"][0]["y0"] == 4.5
    assert figure["layout"]["annotations"][0]["text"] == "high > 4.5"
    assert figure["data"][_roles(figure).index("anchor")]["y"] == [4.5]


def test_axis_begins_with_the_first_reading_where_much_before_is_empty():
    late = TrendAnswer(
        tag_id=1, unit="", points=[TrendPoint(ts=END - timedelta(minutes=10), value=1, low=1, high=1)], limits=[]
    )
    first = (END - timedelta(minutes=10)).timestamp() * 1000
    assert figures.trend(late, START, END)["layout"]["xaxis"]["range"][0] == first


def test_empty_trend_still_has_the_whole_axis():
    empty = TrendAnswer(tag_id=1, unit="", points=[], limits=[])
    assert figures.trend(empty, START, END)["layout"]["xaxis"]["range"] == [
        START.timestamp() * 1000,
        END.timestamp() * 1000,
    ]


def test_each_state_is_told_by_word_and_pattern():
    spans = [
        StateSpan(starts_at=START, ends_at=END - timedelta(minutes=9), state="RUNNING", reason=""),
        StateSpan(starts_at=END - timedelta(minutes=9), ends_at=END, state="UNPLANNED_STOP", reason="tool breakage"),
    ]
    running, stopped = figures.states(spans, START, END)["data"]
    assert (running["name"], stopped["name"]) == ("Running", "Unplanned stop")
    assert running["marker"]["pattern"]["shape"] != stopped["marker"]["pattern"]["shape"]
    assert stopped["customdata"] == [["tool breakage", "9 min 0 s"]]
