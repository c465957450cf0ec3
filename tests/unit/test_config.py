"""The configuration file: every mistake at once, each at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import Settings, load_settings
from bridge.config.units import USUAL, parse_unit
from bridge.errors import ConfigError

DEMO = Path(__file__).parents[2] / "simulators" / "demo" / "amor.toml"
DEMO_ENVIRONMENT = {
    "AMOR_DATABASE_DSN": "postgresql://amor@127.0.0.1/amor",
    "AMOR_MQTT_URL": "mqtt://127.0.0.1:1883",
    "AMOR_OPCUA_URL": "opc.tcp://127.0.0.1:4840",
    "AMOR_ERP_URL": "http://127.0.0.1:8069",
    "AMOR_ERP_API_KEY": "a-key",
}

MINIMAL = """\
[plant]
name = "A plant"

[database]
dsn = "postgresql://127.0.0.1/amor"
"""


def load(tmp_path: Path, text: str, **environment: str) -> Settings:
    file = tmp_path / "amor.toml"
    file.write_text(text)
    return load_settings(file, environment)


def mistakes(tmp_path: Path, text: str, **environment: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **environment)
    return [(problem.line, f"{problem.field}: {problem.message}") for problem in caught.value.problems]


TYPED = """\
[plant]
name = "A plant"
[database]
dsn = "postgresql://127.0.0.1/amor"
[[source]]
name = "line1"
type = "mqtt"
lane = 1
url = "mqtt://127.0.0.1"
subscribe = [{ topic = "a/{b}/{tag}", equipment = "acme/{b}" }]
[[connector]]
name = "erp"
type = "tryton82"
url = "https://erp.example.com"
database = "erp"
company = 1
auth = { type = "api_key", key = "a-key" }
[rules]
files = ["rules.yaml"]
"""


@pytest.mark.parametrize(
    ("right", "wrong", "line", "told"),
    [
        ("[database]", "[databse]", 3, "databse: is not a known setting; did you mean database?"),
        ('name = "A plant"', "name = A plant", 2, "a text stands in quotes"),
        ('type = "mqtt"', 'type = "mqqt"', 7, "source[0].type: there is no type 'mqqt'; did you mean mqtt?"),
        ('type = "mqtt"', "", 5, "source[0]: type is missing; there are mqtt, opcua"),
        ("lane = 1", "", 5, "source[0].lane: is missing: A number of its own for each source"),
        ("topic =", "topc =", 10, "subscribe[0].topc: is not a known setting; did you mean topic?"),
        ("subscribe = [", "subscribe = {a = 1} #", 10, "subscribe: is a list: write [[source.subscribe]]"),
        ("[[connector]]", "[connector]", 11, "connector: is a list: write [[connector]], with two brackets"),
        ('"erp"', '"ERP one"', 12, "connector[0].name: has small letters, digits, - and _ only"),
        ("tryton82", "tryton", 13, "connector[0].type: there is no type 'tryton'; did you mean tryton82?"),
        ("https://erp", "erp", 14, "connector[0].url: begins with http:// or https://"),
        ("company = 1", "compny = 1", 16, "connector[0].compny: is not a known setting; did you mean company?"),
        ("company = 1", 'company = "one"', 16, "connector[0].company: write a whole number, without quotes"),
        ('"api_key"', '"apikey"', 17, "connector[0].auth.type: 'apikey' is none of its words; did you mean api_key?"),
        (', key = "a-key"', "", 17, "connector[0].auth.key: is missing: The key"),
        ('["rules.yaml"]', '"rules.yaml"', 19, "rules.files: is a list"),
        ("[rules]", "[[shifts]]\n[rules]", 18, "shifts: is not a known setting; did you mean shift?"),
    ],
)
def test_typing_mistake_is_told_with_its_line_and_what_was_meant(
    tmp_path: Path, right: str, wrong: str, line: int, told: str
) -> None:
    assert right in TYPED
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, TYPED.replace(right, wrong, 1))
    assert any(problem.line == line and told in str(problem) for problem in caught.value.problems), str(caught.value)


def test_demo_configuration_is_valid() -> None:
    settings = load_settings(DEMO, DEMO_ENVIRONMENT)
    assert {source.type for source in settings.source} == {"mqtt", "opcua"}
    assert settings.rules.files == [str(DEMO.parent / "rules.yaml")]


def test_all_mistakes_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    text = (
        MINIMAL.replace("[database]", 'time_zone = "Europe/Berlni"\n[database]')
        + """
[[equipment]]
path = "acme/dortmund"
clas = "cnc"

[[source]]
name = "line1"
type = "mqtt"
lane = 1
url = { env = "NOWHERE" }
subscribe = [
  { topic = "a/{b}/c", equipment = "acme/{b}" },
  { topic = "a/{b}/c", equipment = "acme/{c}" },
]
"""
    )
    found = mistakes(tmp_path, text)
    assert [line for line, _ in found] == [4, 10, 16, 19]
    for words, (_, message) in zip(
        (
            "plant.time_zone: unknown time zone",
            "equipment[0].clas: is not",
            "source[0].url: the environment variable NOWHERE",
            "subscribe[1]: equipment uses {c}",
        ),
        found,
        strict=True,
    ):
        assert words in message


def test_text_that_is_no_toml_is_reported_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MINIMAL + "\n[[source\nname = 1\n")
    [problem] = caught.value.problems
    assert problem.line == 7
    assert "not TOML" in problem.message


def test_missing_file_is_one_mistake_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        load_settings(tmp_path / "nowhere.toml")


def test_secret_comes_from_a_file_without_its_line_end_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://amor:geheim@db/amor\n")
    settings = load(tmp_path, MINIMAL.replace('"postgresql://127.0.0.1/amor"', '{ file = "secret" }'))
    assert settings.database.dsn.get_secret_value() == "postgresql://amor:geheim@db/amor"
    assert "geheim" not in repr(settings)


def test_environment_goes_before_the_default(tmp_path: Path) -> None:
    text = MINIMAL + '[dashboard]\nport = { env = "PORT", default = 8050 }\n'
    assert load(tmp_path, text).dashboard.port == 8050
    assert load(tmp_path, text, PORT="9000").dashboard.port == 9000


@pytest.mark.parametrize("what", ["name", "lane"])
def test_two_sources_never_share_a_name_or_a_lane(tmp_path: Path, what: str) -> None:
    source = '[[source]]\nname = "{name}"\nlane = {lane}\ntype = "mqtt"\nurl = "mqtt://h"\nsubscribe = [{{topic = "a", equipment = "b"}}]\n'
    second = {"name": "b", "lane": 2, what: {"name": "a", "lane": 1}[what]}
    text = MINIMAL + source.format(name="a", lane=1) + source.format(**second)
    [(_, message)] = mistakes(tmp_path, text)
    assert "is given twice" in message


def test_a_tag_with_a_unit_that_is_none_is_a_mistake_of_its_line(tmp_path: Path) -> None:
    text = (
        MINIMAL + '\n[[tag]]\nmatch = "*.temp"\nunit = "Cel"\n\n[[tag]]\nmatch = "*.load"\nunit = "parsecs per beer"\n'
    )
    [(line, message)] = mistakes(tmp_path, text)
    assert line == text.splitlines().index('unit = "parsecs per beer"') + 1
    assert "is no UCUM code" in message


def test_the_units_that_are_known_without_the_registry_are_in_it() -> None:
    for code in USUAL:
        assert parse_unit(code) is not None


def test_machine_that_tells_serial_numbers_otherwise_must_be_equipment(tmp_path):
    text = MINIMAL + '[production]\nserial_told_of = { "acme/line1/laser1" = "after" }\n'
    [(_, message)] = mistakes(tmp_path, text)
    assert "serial_told_of names acme/line1/laser1, which no [[equipment]] has as its path" in message
    settings = load(tmp_path, text + '[[equipment]]\npath = "acme/line1/laser1"\n')
    assert settings.production.is_serial_told_after("acme/line1/laser1")
    assert not settings.production.is_serial_told_after("acme/line1/scanner1")
    [(line, message)] = mistakes(tmp_path, text.replace('"after"', '"later"'))
    assert (line, "production.serial_told_of" in message) == (7, True)
