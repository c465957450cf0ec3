"""CSV files: read in blocks, and whatever is wrong in them is told with its place."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from rules.backtest import CsvFile, csv_chunks
from rules.backtest import csv_file as module
from rules.backtest.csv_times import read_time, read_times

T0 = 1_772_344_800_000_000  # 2026-03-01T06:00:00Z


def read(tmp_path, text, **more):
    file = tmp_path / "data.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    problems = []
    chunks = list(csv_chunks(CsvFile(file, **more), problems))
    return chunks, [problem.removeprefix(f"{file}:") for problem in problems]


def column(chunks, name="v"):
    found = [c for chunk in chunks for c in chunk.columns if c.tag_id == chunk.asset.tags[name]]
    times = np.concatenate([c.times_us for c in found]).tolist()
    values = np.concatenate([c.values for c in found]).tolist()
    bad = [q for c in found for q in ([0] * len(c.times_us) if c.qualities is None else c.qualities.tolist())]
    return times, [None if q else v for v, q in zip(values, bad, strict=True)]


@pytest.mark.parametrize(
    "times",
    [
        ("2026-03-01T06:00:00Z", "2026-03-01T06:00:01Z"), ("2026-03-01 06:00:00", "2026-03-01 06:00:01"),
        ("2026-03-01T07:00:00+01:00", "2026-03-01T08:00:01+02:00"), ("1772344800", "1772344801"),
        ("1772344800.0", "1.772344801e9"), ("2026-03-01T06:00:00.000000", "2026-03-01T06:00:01Z"), ("2026-03-01 06:00", "2026-03-01T06:00:01"),
    ],
)  # fmt: skip
def test_times_of_the_usual_kinds_are_read(tmp_path, times):
    chunks, problems = read(tmp_path, f"t,v\n{times[0]},1.5\n{times[1]},2\n", time="t")
    assert column(chunks) == ([T0, T0 + 1_000_000], [1.5, 2.0])
    assert problems == []


def test_rows_without_a_time_column_are_one_a_second(tmp_path):
    begin = datetime(2026, 3, 1, 6, tzinfo=UTC)
    chunks, _ = read(tmp_path, "v,n\n1,2\n3,4\n", first=begin)
    assert column(chunks, "n") == ([T0, T0 + 1_000_000], [2.0, 4.0])
    chunks, _ = read(tmp_path, "v\n1\n")
    assert column(chunks) == ([0], [1.0])


def test_rows_outside_of_from_and_to_are_passed_over(tmp_path):
    text = "t,v\n" + "".join(f"2026-03-01T06:00:{n:02}Z,{n}\n" for n in range(10))
    chunks, problems = read(
        tmp_path,
        text,
        time="t",
        first=datetime(2026, 3, 1, 6, 0, 3, tzinfo=UTC),
        end=datetime(2026, 3, 1, 6, 0, 5, tzinfo=UTC),
    )
    assert column(chunks)[1] == [3.0, 4.0]
    assert problems == []


def test_named_columns_are_the_tags(tmp_path):
    chunks, _ = read(tmp_path, "Zeit,a b,c\n1,5,6\n", time="Zeit", tags={"spindle.temp": "a b"})
    assert chunks[0].asset.tags == {"spindle.temp": 1}
    assert column(chunks, "spindle.temp") == ([1_000_000], [5.0])


def test_columns_by_the_name_of_a_tag_or_input_are_found_and_others_left_alone(tmp_path):
    known = {"v": "spindle.vib", "spindle.vib": "spindle.vib", "n": "spindle.rpm"}
    chunks, problems = read(tmp_path, "t,note,v\n1,words,5\n", time="t", known=known)
    assert chunks[0].asset.tags == {"spindle.vib": 1}
    assert problems == []


def test_cell_that_never_ends_is_told_with_its_line(tmp_path):
    with pytest.raises(ConfigError, match=r":3:1: no CSV: field larger than field limit") as raised:
        read(tmp_path, 't,v\n1,2\n3,"' + "x" * 200_000)
    assert raised.value.problems[0].line == 3


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("", {}, ":1:1: is empty"), ("\n1\n", {}, ":1:1: is empty"),
        ("t,v\n1,2\n", {"time": "time"}, ":1:1: has no column 'time'; there is t, v"),
        ("t,v\n1,2\n", {"tags": {"x": "w"}}, ":1:1: has no column 'w'"), ("t,v,v\n1,2,3\n", {"tags": {"x": "v"}}, "two columns 'v'"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_used_is_told(tmp_path, text, more, message):
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text, **more)
    assert message in str(raised.value)


def test_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        list(csv_chunks(CsvFile(tmp_path / "none.csv"), []))


def test_each_bad_cell_is_told_with_line_and_column_and_its_neighbours_are_kept(tmp_path):
    text = "t,v\n1,1\nsoon,2\n3,many\n4,nan\n5,\n4,6\n6,7,8\n\n7,inf\n7,9\n8,10\n"
    chunks, problems = read(tmp_path, text, time="t")
    times, values = column(chunks)
    assert [t // 1_000_000 for t in times] == [1, 3, 4, 7, 7, 8]
    assert values == [1.0, None, None, None, 9.0, 10.0]
    assert [problem.split(": ", 1) for problem in problems] == [
        ["8", "has 3 columns, the header 2; left out"],
        ["3:1", "'soon' is no time; write 2026-03-01T06:00:00Z or seconds since 1970; left out"],
        ["7:1", "is earlier than a row above it: sort the file by time; left out"],
        ["11:1", "is at the same time as the row above: taken as one more sample of that instant"],
        ["4:2", "'many' is no number; taken as a reading of bad quality"],
    ]
    assert [c.ordinals.tolist() for c in chunks[0].columns] == [[0, 0, 0, 0, 1, 0]]


def test_many_mistakes_are_told_up_to_twenty_and_counted(tmp_path):
    _, problems = read(tmp_path, "v\n" + "x\n" * 500)
    assert len(problems) == 21
    assert problems[-1].endswith("480 more such mistakes")


def test_blocks_go_on_where_the_last_one_ended(tmp_path, monkeypatch):
    text = "t,v\n" + "".join(f"{n - n // 8},{n}\n" for n in range(101)) + "3,5\n200,oops\n"
    whole, told = read(tmp_path, text, time="t")
    for size in (1, 7, 50):
        monkeypatch.setattr(module, "_BLOCK", size)
        parts, told_of_parts = read(tmp_path, text, time="t")
        assert column(parts) == column(whole)
        assert sorted(told_of_parts) == sorted(told)
        ordinals = [
            o
            for chunk in parts
            for o in (
                chunk.columns[0].ordinals
                if chunk.columns[0].ordinals is not None
                else np.zeros(len(chunk.columns[0].times_us))
            ).tolist()
        ]
        assert ordinals == whole[0].columns[0].ordinals.tolist()


def test_windows_files_quotes_and_bytes_that_are_no_text_are_read(tmp_path):
    chunks, problems = read(tmp_path, b'\xef\xbb\xbft,v\r\n1,"2"\r\n2,\xff\xfe\r\n3,4\r\n', time="t")
    assert column(chunks)[1] == [2.0, None, 4.0]
    assert problems[0].startswith("3:2: ")


def test_texts_are_kept_for_inputs_of_words(tmp_path):
    chunks, problems = read(tmp_path, "t,mode\n1,AUTO\n2,\n3,manual\n", time="t", texts=frozenset({"mode"}))
    assert chunks[0].columns[0].texts == ["AUTO", "manual"]
    assert problems == []


@settings(max_examples=150, deadline=None)
@given(
    content=st.binary(max_size=300)
    | st.text(alphabet='tv,\n"0123456789.-eE: TZnaif\r\0', max_size=200).map(lambda s: f"t,v\n{s}".encode())
)
def test_no_bytes_crash_the_reader(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("csv") / "x.csv"
    file.write_bytes(content)
    for time in (None, "t"):
        problems = []
        with suppress(ConfigError):
            for chunk in csv_chunks(CsvFile(file, time), problems):
                for each in chunk.columns:
                    assert len(each.times_us) == len(each.values)
                    assert (np.diff(each.times_us) >= 0).all()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.datetimes(min_value=datetime.fromisoformat("1900-01-01"), max_value=datetime.fromisoformat("2200-01-01"))
        | st.text(max_size=12)
        | st.floats(),
        min_size=1,
        max_size=5,
    )
)
def test_times_read_together_are_those_read_one_by_one(values):
    cells = [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]
    times, is_known = read_times(cells)
    assert [int(t) if ok else None for t, ok in zip(times, is_known, strict=True)] == [
        read_time(cell) for cell in cells
    ]
