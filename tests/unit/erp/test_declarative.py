"""Descriptions, templates and answers of the declarative connector."""

from __future__ import annotations

import contextlib
import re
import tomllib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.erp.declarative.description import Description, load
from bridge.erp.declarative.mistakes import mistakes_in
from bridge.errors import ConfigError
from tests.erp_systems.declarative import DESCRIPTIONS

AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)

WRONG = """\
protocol = "rest"
colour = "blue"

[[failure]]
path = "error..code"
means = "sometimes"

[event.wip_to_fg.lookup]
request = { path = "postings/{event_idd}" }
id = "id"
[[event.wip_to_fg.ask]]
request = { path = "orders/{order_ref}" }
require = [{ path = "state", otherwise = "order {oder_ref} is closed" }]
[[event.wip_to_fg.step]]
name = "post"
[event.wip_to_fg.step.request]
method = "SHOUT"
path = "postings"
call = "post"
body = { quantity = "{quantity:nummer}", text = "a single { brace" }

[event.teleported.lookup]
request = { path = "x" }
id = "id"

[orders]
request = { path = "orders" }
[orders.fields]
number = "number"
colour = "c"
"""


def test_every_mistake_is_told_with_file_line_and_field(tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text(WRONG)
    with pytest.raises(ConfigError) as raised:
        load(file)
    told = [(problem.line, problem.field, problem.message) for problem in raised.value.problems]
    assert {problem.file for problem in raised.value.problems} == {str(file)}
    for line, field, words in [
        (2, "colour", "not a known setting"),
        (5, "path", "no path"),
        (6, "means", "none of its words"),
        (9, "path", "did you mean {event_id}"),
        (13, "require", "did you mean {order_ref}"),
        (17, "method", "none of its words"),
        (19, "call", "no meaning for rest"),
        (20, "quantity", "did you mean number"),
        (20, "text", "write {{ for a brace"),
        (22, "teleported", "none of its words"),
        (22, "step", "is missing"),
        (28, "fields", "lacks product, quantity, state"),
        (30, "fields.colour", "is not read; there are due, external_id, number, product"),
    ]:
        matching = [message for at_line, at_field, message in told if at_line == line and field in at_field]
        assert any(words in message for message in matching), (line, field, words, told)


EVENT = """\
protocol = "json_rpc"
[event.scrap.lookup]
request = { call = "find", params = { reference = "{event_id}" } }
id = "id"
[[event.scrap.step]]
name = "post"
request = { call = "post" }
"""

HOSTILE = """\
protocol = "rest"
[[failure]]
means = "business"
[[failure]]
status = [42]
is_one_of = []
means = "business"
[event.scrap.lookup]
request = { path = "find/{number}", headers = { Authorization = "Bearer 1", "Content-Length" = "1" } }
id = "id"
[[event.scrap.ask]]
request = { path = "//evil.example/{number}" }
require = [{ path = "n", is_one_of = ["{number}"] }]
take = { number = "n", quantity = "q", "Bad Name" = "b" }
[[event.scrap.ask]]
request = { path = "https://evil.example/{number}" }
[[event.scrap.step]]
name = "post"
request = { method = "POST", path = "a?b=1", body = { a = "{event_id:number}", b = "{occurred_at:hex}", c = "{number:number}", d = "{late}" } }
[[event.scrap.step]]
name = "more"
ask = [{ request = { path = "x/{late}" }, take = { late = "l" } }]
request = { method = "POST", path = "x/{late}/{number}" }
[event.performance.lookup]
request = { path = "x/{event_id}" }
id = "id"
[event.performance.total]
request = { path = "x" }
path = "t"
[[event.performance.step]]
name = "p"
repeatble = true
request = { path = "x" }
"""


def test_description_of_somebody_who_means_harm_or_guesses_is_told_everything(tmp_path):
    (tmp_path / "d.toml").write_text(HOSTILE)
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "d.toml")
    told = [(problem.line, problem.field, problem.message) for problem in raised.value.problems]
    for line, field, words in [
        (2, "failure[0]", "fits no answer"),
        (5, "failure[1].status[0]", "greater than or equal to 100"),
        (6, "failure[1].is_one_of", "at least 1 item"),
        (9, "event.scrap.lookup.request.path", "{number} is unknown here"),
        (9, "event.scrap.lookup.request.headers.Authorization", "belong into the connector's auth"),
        (9, "event.scrap.lookup.request.headers.Content-Length", "is made for each request"),
        (12, "event.scrap.ask[0].request.path", "leads elsewhere"),
        (12, "event.scrap.ask[0].request.path", "{number} is unknown here"),
        (14, "event.scrap.ask[0].take.quantity", "is the event's own"),
        (14, "event.scrap.ask[0].take.Bad Name", "is no name of a placeholder"),
        (16, "event.scrap.ask[1].request.path", "leads elsewhere"),
        (19, "event.scrap.step[0].request.path", "has more than a path"),
        (19, "event.scrap.step[0].request.body.a", "it has hex, short, text, upper"),
        (19, "event.scrap.step[0].request.body.b", "it has date, epoch_ms, epoch_s, text, time"),
        (19, "event.scrap.step[0].request.body.d", "{late} is unknown here"),
        (22, "event.scrap.step[1].ask[0].request.path", "{late} is unknown here"),
        (27, "event.performance.total", "is compared for wip_to_fg, scrap, consumed only"),
        (32, "event.performance.step[0].repeatble", "did you mean repeatable"),
    ]:
        assert any((line, field) == each[:2] and words in each[2] for each in told), (line, field, words, told)
    assert len(told) == 18, told


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{unit}", "did you mean {uom}"), ("{order}", "did you mean {order_ref}"), ("{eventid}", "did you mean {event_id}"),
        ("{colour}", "there are before, cumulative"), ("{quantity:float}", "unknown form; it has integer, number, text"),
        ("{quantity:nummer}", "did you mean number"), ("{occurred_at:iso}", "it has date, epoch_ms, epoch_s, text, time"),
        ("{lot:date}", "it has no such form; it has integer, number, text, upper"),
    ],
)  # fmt: skip
def test_placeholder_that_is_called_otherwise_is_told_by_its_name_here(tmp_path, written, words):
    (tmp_path / "d.toml").write_text(EVENT.replace("{event_id}", written))
    with pytest.raises(ConfigError, match=re.escape(words)):
        load(tmp_path / "d.toml")


GRAPHQL = """\
protocol = "graphql"
[event.scrap.lookup]
request = { document = 'query { posting(ref: "{event_id}") { id } }' }
id = "posting.id"
[[event.scrap.step]]
name = "post"
request = { document = 'mutation M($q: String) { post(q: $q) { id } }', params = { quantity = "{quantity}" } }
"""


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GRAPHQL, 3, "{event_id} stays as it is: declare a variable $event_id and give it in params"),
        (GRAPHQL, 7, "the document declares no $quantity"),
        (GRAPHQL, 7, "lacks q, which the document declares"),
        (EVENT.replace("[[event.scrap.step]]", "[event.scrap.step]"), 5, "is a list: write [[event.scrap.step]]"),
        (EVENT.replace("json_rpc", "soap"), 1, "soap needs wsdl, the service's description as a file beside this one"),
        (EVENT.replace('"json_rpc"', '"json_rpc"\nwsdl = "w.wsdl"'), 1, "wsdl has no meaning for json_rpc"),
        (EVENT.replace('"json_rpc"', '"json_rpc"\npath = "https://evil.example"'), 2, "leads elsewhere"),
        (EVENT.replace('id = "id"', 'id = "id"\nsame = { yielded = "q" }'), 5, "is no quantity of a scrap event"),
    ],
)
def test_mistake_of_a_protocol_is_told_with_what_to_write(tmp_path, text, line, words):
    (tmp_path / "d.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "d.toml")
    assert any(problem.line == line and words in problem.message for problem in raised.value.problems), raised.value


def _places(value, path=()):
    """All places of nested tables and lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield (*path, name)
        yield from _places(part, (*path, name))


JUNK = [1, "x", "{", True, [], {}, [1], {"a": {"b": [{"c": "{"}]}}, 1.5, "", [{}], {"request": 1}, [{"take": 3}], [[1]]]


@pytest.mark.parametrize("name", ["rest", "json_rpc", "xml_rpc", "soap", "graphql"])
@given(data=st.data())
def test_whatever_stands_somewhere_is_a_mistake_and_never_an_error_of_the_check(name, data):
    raw = tomllib.loads((DESCRIPTIONS / f"{name}.toml").read_text())
    *way, last = data.draw(st.sampled_from(list(_places(raw))))
    table = raw
    for part in way:
        table = table[part]
    table[last] = data.draw(st.sampled_from(JUNK))
    for path, words in mistakes_in(raw):
        assert words
        assert all(isinstance(part, str | int) for part in path)
    with contextlib.suppress(ValidationError):
        Description.model_validate(raw)


def test_mistake_in_the_toml_itself_has_its_line_and_column(tmp_path):
    (tmp_path / "d.toml").write_text('protocol = "rest"\n[event.scrap.lookup\n')
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "d.toml")
    (problem,) = raised.value.problems
    assert (problem.line, problem.column) == (2, 20)


@pytest.mark.parametrize(
    ("table", "line", "field", "words"),
    [
        ('[totals]\nrequest = { call = "t" }\ngood = "g"', 9, "totals.request", "with {order_ref}, or for several with {order_refs}"),
        ('[totals]\nrequest = { call = "t", params = { o = "{order_refs}" } }\ngood = "g"', 8, "totals", "lacks items"),
        ('[totals]\nrequest = { call = "t", params = { o = "{order_ref}" } }\nitems = "i"\ngood = "g"', 10, "totals.items", "belongs to {order_refs}"),
        ('[totals]\nrequest = { call = "t", params = { o = "{order}" } }\ngood = "g"', 9, "totals.request.params.o", "did you mean {order_ref}"),
        ('[totals]\nrequest = { call = "t", params = { o = "{order_ref}" } }', 8, "totals.good", "is missing"),
        ('[totals]\nrequest = { call = "t", params = { o = "{order_ref}" } }\ngoods = "g"\ngood = "g"', 10, "totals.goods", "did you mean good"),
        ('[stock]\nrequest = { call = "s", params = { o = "{location}" } }\navailable = "a"', 9, "stock.request", "names no {item}"),
        ('[stock]\nrequest = { path = "s/{item}" }\navailable = "a"', 9, "stock.request.path", "no meaning for json_rpc"),
    ],
)  # fmt: skip
def test_mistake_in_a_question_for_totals_or_stock_is_told_with_its_place(tmp_path, table, line, field, words):
    (tmp_path / "d.toml").write_text(EVENT + table + "\n")
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "d.toml")
    told = {(problem.line, problem.field): problem.message for problem in raised.value.problems}
    assert words in told.get((line, field), ""), told


def test_operation_that_the_wsdl_does_not_have_is_told_with_its_line(tmp_path):
    text = (DESCRIPTIONS / "soap.toml").read_text()
    wsdl = (DESCRIPTIONS / "../../../simulators/systems/generic/warehouse.wsdl").resolve()
    file = tmp_path / "soap.toml"
    text = text.replace("../../../simulators/systems/generic/warehouse.wsdl", str(wsdl)).replace(
        'call = "TakeBack"', 'call = "Undo"'
    )
    file.write_text(text)
    line = next(number for number, words in enumerate(text.splitlines(), 1) if "Undo" in words)
    with pytest.raises(
        ConfigError, match="no operation Undo; it has AllTotals, Find, Order, Post, Stock, TakeBack, Total"
    ) as raised:
        load(file)
    assert raised.value.problems[0].line == line


def test_wsdl_that_would_fetch_from_elsewhere_is_refused(tmp_path):
    source = (DESCRIPTIONS / "../../../simulators/systems/generic/warehouse.wsdl").read_text()
    imported = source.replace("<types>", '<import namespace="urn:x" location="http://127.0.0.1:9/x.wsdl"/><types>')
    (tmp_path / "w.wsdl").write_text(imported)
    text = (DESCRIPTIONS / "soap.toml").read_text()
    (tmp_path / "soap.toml").write_text(text.replace("../../../simulators/systems/generic/warehouse.wsdl", "w.wsdl"))
    with pytest.raises(ConfigError, match="is not fetched"):
        load(tmp_path / "soap.toml")


@pytest.mark.parametrize("name", ["rest", "json_rpc", "xml_rpc", "soap", "graphql"])
def test_descriptions_of_the_tests_have_no_mistakes(name):
    assert load(DESCRIPTIONS / f"{name}.toml").event


@pytest.mark.parametrize("value", ["2026-01-01", "07:30:00", "inf", "nan"])
def test_value_that_json_does_not_have_is_told(tmp_path, value):
    text = (DESCRIPTIONS / "json_rpc.toml").read_text().replace('"{quantity}"', value, 1)
    (tmp_path / "d.toml").write_text(text)
    with pytest.raises(ConfigError, match="no place in JSON"):
        load(tmp_path / "d.toml")
