"""The `amor` command as a person runs it: in a process of its own, its output read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from bridge.store.embedded import PrivateDatabase

CONFIGURATION = """\
[plant]
name = "A plant"

[database]
dsn = { env = "AMOR_DATABASE_DSN" }

[[equipment]]
path = "acme/dortmund/machining/line1/cnc1"

[[shift]]
name = "night"
start = "22:00"
end = "06:00"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "amor.toml"
    file.write_text(CONFIGURATION)
    return file


def amor(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge.cli", *map(str, arguments)],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_check_says_ok_or_every_mistake_with_its_line(config: Path) -> None:
    good = amor("check", config, AMOR_DATABASE_DSN="postgresql://127.0.0.1/amor")
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, f"ok {config}")
    config.write_text(CONFIGURATION.replace("22:00", "25:00").replace("cnc1", ""))
    bad = amor("check", config)
    assert bad.returncode == 2
    lines = [line for line in bad.stderr.splitlines() if line.startswith("error")]
    assert [line.split(":")[1] for line in lines] == ["5", "8", "12"]
    assert "AMOR_DATABASE_DSN is not set" in lines[0]
    assert "3 mistakes" in bad.stderr


def test_check_reports_the_mistakes_of_rule_files_with_line_and_column(config: Path) -> None:
    config.write_text(CONFIGURATION + '[rules]\nfiles = ["rules.yaml"]\n')
    rules = (
        "apiVersion: rules/v1\nrules:\n- id: a\n  inputs: {v: {tag: x}}\n  levels:\n  - {severity: high, if: 'w > 1'}\n"
    )
    (config.parent / "rules.yaml").write_text(rules)
    bad = amor("check", config, AMOR_DATABASE_DSN="x")
    assert bad.returncode == 2
    assert "rules.yaml:6:" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_migrate_prepares_an_empty_database_and_says_so_when_there_is_nothing_to_do(
    config: Path, database_server: PrivateDatabase
) -> None:
    with psycopg.connect(database_server.dsn_of("postgres"), autocommit=True) as administrator:
        administrator.execute("create database empty_for_migrate")
    dsn = database_server.dsn_of("empty_for_migrate")
    first = amor("migrate", "-c", config, AMOR_DATABASE_DSN=dsn)
    assert first.returncode == 0, first.stderr
    assert "ran 0001_equipment" in first.stdout
    assert amor("migrate", "-c", config, AMOR_DATABASE_DSN=dsn).stdout.startswith("nothing to do")
    with psycopg.connect(dsn) as connection:
        levels = connection.execute("select level, name from equipment order by path").fetchall()
        [shifts] = connection.execute("select count(*) from calendar_shift").fetchone() or [0]
    assert levels[0] == ("enterprise", "acme")
    assert levels[-1] == ("work_unit", "cnc1")
    assert shifts >= 14


def test_database_that_is_away_is_one_sentence_without_a_traceback(config: Path) -> None:
    result = amor("migrate", "-c", config, AMOR_DATABASE_DSN="postgresql://127.0.0.1:1/amor")
    assert result.returncode == 1
    assert "the database does not answer" in result.stderr
    assert "check [database] dsn" in result.stderr
    assert "Traceback" not in result.stderr


def test_user_who_was_added_has_a_hashed_password_and_a_role(config: Path, database_dsn: str) -> None:
    result = amor(
        "user",
        "add",
        "anna",
        "-c",
        config,
        "--role",
        "viewer",
        AMOR_DATABASE_DSN=database_dsn,
        AMOR_PASSWORD="geheim-geheim",
    )
    assert result.returncode == 0, result.stderr
    with psycopg.connect(database_dsn) as connection:
        [(login, secret, role)] = connection.execute("select login, password_hash, role from account").fetchall()
    assert (login, role) == ("anna", "viewer")
    assert secret.startswith("$argon2id$")


@pytest.mark.parametrize(("role", "password", "told"), [("boss", "geheim-geheim", "viewer"), ("admin", "kurz", "8 or")])
def test_user_with_a_short_password_or_a_role_that_there_is_not_is_refused(config: Path, role, password, told) -> None:
    result = amor("user", "add", "anna", "-c", config, "--role", role, AMOR_DATABASE_DSN="x", AMOR_PASSWORD=password)
    assert (result.returncode, told in result.stderr) == (1, True), result.stderr


def test_doctor_names_what_is_well_and_what_is_not(config: Path, database_dsn: str) -> None:
    source = '[[source]]\nname = "line1"\ntype = "mqtt"\nlane = 1\nurl = "mqtt://127.0.0.1:1"\nsubscribe = [{topic = "a", equipment = "b"}]\n'
    config.write_text(CONFIGURATION + source)
    result = amor("doctor", "-c", config, AMOR_DATABASE_DSN=database_dsn)
    assert result.returncode == 1
    assert "✓ database  PostgreSQL 17" in result.stdout
    assert "✓ schema  up to date" in result.stdout
    assert "✗ source line1  127.0.0.1:1 cannot be reached" in result.stdout
