"""`amor bench nab` on small folders of its layout: what is read, raised, scored and written."""

from __future__ import annotations

import csv
import io
import random
from datetime import datetime, timedelta

import orjson
import pytest
from rich.console import Console

from bridge.cli.bench.nab import SHIPPED, detect, run_nab
from bridge.cli.bench.nab_series import read_folder
from bridge.errors import ConfigError
from rules.rulebook import load_rules

BEGIN = datetime(2026, 3, 1)  # noqa: DTZ001  # as the benchmark writes its times
STEP = timedelta(minutes=5)
SPIKE = 1300


def readings(count=1500, spike=SPIKE):
    chance = random.Random(7)
    made = [50 + chance.gauss(0, 1) for _ in range(count)]
    if spike < count:
        made[spike] = 90.0
    return made


def write_series(folder, name, values):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{BEGIN + row * STEP},{value}\n" for row, value in enumerate(values))
    file.write_text(f"timestamp,value\n{rows}", encoding="utf-8")
    return file


def write_windows(folder, windows):
    at = {name: [[f"{BEGIN + row * STEP}.000000" for row in rows] for rows in pairs] for name, pairs in windows.items()}
    (folder / "combined_windows.json").write_bytes(orjson.dumps(at))


@pytest.fixture
def folder(tmp_path):
    write_series(tmp_path, "one/spike.csv", readings())
    write_series(tmp_path, "two/constant.csv", [5.0] * 400)
    write_windows(tmp_path, {"one/spike.csv": [[SPIKE - 50, SPIKE + 49]], "two/constant.csv": []})
    return tmp_path


def raised(file):
    with file.open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["alarm"] == "1"]


def test_figures_and_detections_are_written(folder, tmp_path):
    run_nab(folder, SHIPPED, tmp_path / "out.json", tmp_path / "detections", Console(quiet=True))
    figures = orjson.loads((tmp_path / "out.json").read_bytes())
    assert (figures["series"], figures["rows"], figures["windows"], figures["hits"]) == (2, 1900, 1, 1)
    false = figures["false_alarms"]
    # in the middle of the window, rows 1250-1349: 0.859793 (see test_nab_score); false alarms before it cost 0.11 each
    behind = sum(
        row["timestamp"] > str(BEGIN + (SPIKE + 49) * STEP) for row in raised(tmp_path / "detections/one/spike.csv")
    )
    assert behind == 0
    assert figures["scores"]["standard"] == pytest.approx(100 * (1.859793 - 0.11 * false) / 2, abs=0.01)
    assert figures["categories"]["two"]["scores"]["standard"] is None
    assert str(BEGIN + SPIKE * STEP) in [row["timestamp"] for row in raised(tmp_path / "detections/one/spike.csv")]
    with (tmp_path / "detections/one/spike.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["timestamp"] for row in rows] == [str(BEGIN + row * STEP) for row in range(1500)]
    assert {row["alarm"] for row in rows} == {"0", "1"}
    assert raised(tmp_path / "detections/two/constant.csv") == []


def test_our_row_stands_among_the_published_ones(folder):
    out = Console(record=True, width=100, file=io.StringIO())
    run_nab(folder, SHIPPED, None, None, out)
    text = out.export_text()
    assert "HTM" in text
    assert "70.1" in text
    assert any(line.split()[:1] == ["amor"] for line in text.splitlines())


def test_alarms_do_not_depend_on_what_comes_later(folder):
    book = load_rules([str(SHIPPED)]).rules
    (whole,) = (series for series in read_folder(folder) if series.name == "one/spike.csv")
    alarms = detect(book, whole, "")
    for rows in (700, 1000, SPIKE + 1):
        write_series(folder, "one/spike.csv", readings()[:rows])
        (cut,) = (series for series in read_folder(folder) if series.name == "one/spike.csv")
        assert detect(book, cut, "") == tuple(alarm for alarm in alarms if alarm < rows)


def test_names_and_labels_are_not_seen_by_the_rules(folder):
    book = load_rules([str(SHIPPED)]).rules
    (before,) = (series for series in read_folder(folder) if series.name == "one/spike.csv")
    write_series(folder, "three/other.csv", readings())
    write_windows(folder, {})
    (after,) = (series for series in read_folder(folder) if series.name == "three/other.csv")
    assert after.windows is None
    assert detect(book, after, "") == detect(book, before, "")


def test_series_without_labels_are_run_and_not_scored(folder, tmp_path):
    (folder / "combined_windows.json").unlink()
    run_nab(folder, SHIPPED, tmp_path / "out.json", tmp_path / "detections", Console(quiet=True))
    figures = orjson.loads((tmp_path / "out.json").read_bytes())
    assert (figures["series"], figures["series_without_labels"]) == (0, 2)
    assert figures["scores"]["standard"] is None
    assert raised(tmp_path / "detections/one/spike.csv")


def test_rows_at_one_time_are_all_rows_of_the_detections(folder, tmp_path):
    file = write_series(folder, "one/spike.csv", readings())
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:601], lines[600], *lines[601:]]))
    run_nab(folder, SHIPPED, None, tmp_path / "detections", Console(quiet=True))
    assert len((tmp_path / "detections/one/spike.csv").read_text().splitlines()) == 1 + 1501


def test_every_mistake_of_the_data_is_told_with_its_place(folder):
    file = write_series(folder, "one/spike.csv", readings(5))
    lines = file.read_text().splitlines()
    lines[2], lines[4] = "yesterday,1", "2026-02-01 00:00:00,2"
    file.write_text("\n".join(lines))
    (folder / "two/constant.csv").write_text("a,b\n")
    with pytest.raises(ConfigError) as told:
        read_folder(folder)
    places = [(problem.file.rpartition("/")[2], problem.line) for problem in told.value.problems]
    assert places == [("spike.csv", 3), ("spike.csv", 5), ("constant.csv", 1)]


def test_broken_windows_are_told(folder):
    (folder / "combined_windows.json").write_text("[")
    with pytest.raises(ConfigError, match=r"combined_windows\.json"):
        read_folder(folder)
    (folder / "combined_windows.json").write_text('{"one/spike.csv": [["2026-03-01"]]}')
    with pytest.raises(ConfigError, match="pairs of times"):
        read_folder(folder)


def test_folder_without_series_is_told(tmp_path):
    with pytest.raises(ConfigError, match="holds no"):
        read_folder(tmp_path)
