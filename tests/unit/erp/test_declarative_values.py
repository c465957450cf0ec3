"""Values in requests and answers of described endpoints: exact, and never read as something else."""

from __future__ import annotations

import contextlib
import json
import uuid
import xmlrpc.client
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.erp.declarative.documents import UnreadableError, at, from_xml, is_met, listed
from bridge.erp.declarative.protocols import GraphQl, JsonRpc, Rest, XmlRpc
from bridge.erp.declarative.template import Placeholder, fill, fill_path, fill_xml, parse
from bridge.erp.declarative.values import in_form
from bridge.erp.http import Reply
from bridge.errors import BusinessError

AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


def reply(content):
    return Reply(200, httpx.Headers(), content, content.decode(errors="replace"))


def test_doubles_of_xml_rpc_are_the_decimals_that_were_meant():
    body = xmlrpc.client.dumps(
        ({"total": 0.3, "at": AT.replace(tzinfo=None), "n": [1.5]},), methodresponse=True
    ).encode()
    assert XmlRpc("").decode(reply(body)).value == {
        "total": Decimal("0.3"),
        "at": "2026-07-01T22:30:00",
        "n": [Decimal("1.5")],
    }


@pytest.mark.parametrize("wire", [XmlRpc(""), JsonRpc(""), GraphQl(""), Rest("json"), Rest("xml")])
@given(content=st.binary(max_size=80))
def test_no_answer_breaks_the_reading_of_a_protocol(wire, content):
    for bytes_ in (content, b"<methodResponse>" + content + b"</methodResponse>", b'{"result": ' + content + b"}"):
        with contextlib.suppress(UnreadableError):
            wire.decode(reply(bytes_))


VALUES = {
    "quantity": Decimal("0.30"),
    "at": AT,
    "id": uuid.UUID("6f7d2b1e-7f0a-5c0e-9a35-6a2d0b1c9e11"),
    "serials": ["a", "b"],
    "final": True,
    "sequence": 7,
}


def lookup(part):
    return in_form(VALUES[part.name], part, "Europe/Berlin")


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{quantity}", "0.30"),
        ("{quantity:number}", 0.3),
        ("{sequence:integer}", 7),
        ("{sequence}", "7"),
        ("{at}", "2026-07-01T22:30:00+00:00"),
        ("{at:date}", "2026-07-02"),
        ("{at:time}", "00:30:00"),
        ("{at:epoch_ms}", 1782945000000),
        ("{id:hex}", "6f7d2b1e7f0a5c0e9a356a2d0b1c9e11"),
        ("{id:short}", "N56SWHT7BJOA5GRV"),
        ("{serials:list}", ["a", "b"]),
        ("{final:boolean}", True),
        ("n. {sequence} of {quantity}, {{really}}", "n. 7 of 0.30, {really}"),
        ({"a": ["{sequence:integer}", {"b": "{final}"}], "c": 1.5}, {"a": [7, {"b": True}], "c": 1.5}),
    ],
)
def test_placeholder_becomes_the_value_in_its_form(template, value):
    assert fill(template, lookup) == value


@pytest.mark.parametrize(
    "template", ["{quantity:date}", "{at:number}", "{serials:number}", "x {serials}", "{final:number}"]
)
def test_form_that_a_value_does_not_have_is_an_error(template):
    with pytest.raises((ValueError, BusinessError)):
        fill(template, lookup)


def test_number_that_a_double_cannot_hold_is_refused():
    with pytest.raises(BusinessError):
        in_form(Decimal("0.1234567890123456789"), Placeholder("q", "number"), "")


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_any_text_stays_one_part_of_a_path(text):
    path = fill_path("orders/{x}/rows", lambda part: text)
    assert path.count("/") == 2
    assert not set("?#") & set(path)
    assert unquote(path) == f"orders/{text}/rows"


@pytest.mark.parametrize(
    ("text", "words"), [("", "{x} is empty"), (".", "would lead elsewhere"), ("..", "would lead elsewhere")]
)
def test_value_that_would_make_it_another_address_is_refused(text, words):
    """HTTP clients and servers take a part `..` for a step up, and two slashes for one."""
    for template in ("orders/{x}/rows", "orders/{x}"):
        with pytest.raises(ValueError, match=words):
            fill_path(template, lambda part: text)
    assert fill_path("orders/a{x}.json", lambda part: "..") == "orders/a...json"


@pytest.mark.parametrize("text", ["a\r\nX-Admin: 1", "a\nb", "é", " a", "a ", "\x00"])
def test_header_that_would_end_or_not_go_out_is_refused(text):
    filled = {"path": "x", "headers": {"X-Lot": text}}
    with pytest.raises(ValueError, match="the header X-Lot cannot carry"):
        Rest("json").encode(filled, is_repeatable=False)
    sent = Rest("json").encode({"path": "x", "headers": {"X-Count": 5}}, is_repeatable=False)
    assert sent.headers == {"X-Count": "5"}


BOMB = """<?xml version="1.0" encoding="utf-16"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY c "&a;&a;&a;&a;&a;&a;">]>
<methodResponse><params><param><value><string>&c;</string></value></param></params></methodResponse>"""


def test_document_type_is_refused_in_every_encoding():
    for content in (BOMB.encode("utf-16"), BOMB.replace("utf-16", "utf-8").encode()):
        with pytest.raises(UnreadableError, match="DTD"):
            from_xml(content)
        with pytest.raises(UnreadableError):
            XmlRpc("").decode(reply(content))


def test_answer_of_xml_rpc_is_read_in_the_encoding_that_it_names():
    text = '<?xml version="1.0" encoding="iso-8859-1"?><methodResponse><params><param><value><string>Gehäuse</string></value></param></params></methodResponse>'
    assert XmlRpc("").decode(reply(text.encode("latin-1"))).value == "Gehäuse"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")))
def test_any_text_stays_text_in_xml(text):
    document = ET.fromstring(fill_xml('<a b="{x}"><c>{x}</c></a>', lambda part: text))
    assert document.get("b") == text
    assert (document.findtext("c") or "") == text


def test_character_that_xml_cannot_carry_is_refused():
    with pytest.raises(ValueError, match=r"U\+0001"):
        fill_xml("<a>{x}</a>", lambda part: "\x01")


@given(st.text())
def test_value_with_braces_is_never_filled_again(text):
    assert json.loads(json.dumps(fill({"a": "{x}", "b": "-{x}-"}, lambda part: text))) == {"a": text, "b": f"-{text}-"}


@given(st.text(max_size=60))
def test_any_template_is_parsed_or_refused(text):
    with contextlib.suppress(ValueError):
        assert all(isinstance(part, str | Placeholder) for part in parse(text))


def test_paths_lead_into_answers_or_nowhere():
    answer = {"items": [{"id": 7}, {"id": 8}], "one": {"id": 9}}
    assert at(answer, "items[1].id") == 8
    assert at(answer, "one[0].id") == 9
    for nowhere in ("items[5].id", "items.id", "one[1]", "none.at.all", "one.id.x"):
        assert at(answer, nowhere) is None
    assert at(answer, "") is answer
    assert [listed(value) for value in (None, "", {"a": 1}, [1])] == [[], [], [{"a": 1}], [1]]


@pytest.mark.parametrize(
    ("value", "wanted", "is_it"),
    [
        ("ok", ["ok"], True),
        (7, ["7"], True),
        ("7", [7], True),
        (True, [True], True),
        ("True", [True], False),
        (None, ["None"], True),
        ("", None, False),
        (0, None, True),
        (None, None, False),
        ({}, None, False),
    ],
)
def test_condition_is_met(value, wanted, is_it):
    assert is_met(value, wanted) is is_it


def test_xml_becomes_names_lists_and_attributes():
    name, value = from_xml(b'<a xmlns="urn:x" n="1"><b>1</b><b>2</b><c><d/></c><e at="t">x</e></a>')
    assert name == "a"
    assert value == {"@n": "1", "b": ["1", "2"], "c": {"d": ""}, "e": {"@at": "t", "#text": "x"}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a>",
        b"no xml",
        b'<!DOCTYPE a [<!ENTITY e "ha">]><a>&e;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 100_000,
        b"\xff\xfe<",
    ],
)
def test_hostile_or_broken_xml_is_refused(content):
    with pytest.raises(UnreadableError):
        from_xml(content)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_xml(content):
    with contextlib.suppress(UnreadableError):
        from_xml(b"<a>" + content + b"</a>")
