"""What Gateway's error documents mean: its code may stand at the top, or only in the details."""

from __future__ import annotations

import json

import httpx
import pytest

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.http import Kind, Reply
from bridge.erp.sap_s4.odata import Gateway

GATEWAY = Gateway(
    SapS4Settings.model_validate({"type": "sap_s4", "name": "sap", "url": "https://s4.example.com", "plant": "1010"})
)


def document(code, text, details=None, **inner):
    message = {"lang": "en", "value": text}
    errordetails = {} if details is None else {"errordetails": details}
    return {"error": {"code": code, "message": message, "innererror": {**inner, **errordetails}}}


def judged(body, status=400):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return GATEWAY._judge(Reply(status, httpx.Headers(), content, content.decode(errors="replace")))


DETAIL = {"code": "M7/053", "message": "Posting only possible in periods 2026/07 and 2026/06", "severity": "error"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (document("M7/053", "closed"), Kind.CLOSED_PERIOD),
        (document("/IWBEP/CX_MGW_BUSI_EXCEPTION", "An error", [DETAIL]), Kind.CLOSED_PERIOD),
        (document("SY/530", "An error", [{"code": "M3/897"}]), Kind.TRANSIENT),
        (document("CO/033", "Order is not released", []), Kind.BUSINESS),
        (document("CO/033", "Order is not released", ["odd", None, 7]), Kind.BUSINESS),
        (document("CO/033", "Order is not released", application={"component_id": "PP-SFC"}), Kind.BUSINESS),
        ({"error": {"code": "CO/033", "message": {"value": "x"}}}, Kind.BUSINESS),
        ({"error": {"code": "CO/033", "message": "a text"}}, Kind.BUSINESS),
        ({"error": None}, Kind.BUSINESS),
        (b"<html>", Kind.BUSINESS),
        (document("/IWBEP/CM_COS/005", "RequestID is outdated"), Kind.UNKNOWN),
    ],
)
def test_code_decides_wherever_it_stands(body, kind):
    assert judged(body).kind is kind


def test_people_read_each_sentence_once():
    said = judged(document("M7/053", "closed", [DETAIL, {"code": "M7/053", "message": "closed"}])).says
    assert said == f"closed; {DETAIL['message']}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Kind.CREDENTIALS),
        (403, Kind.CREDENTIALS),
        (412, Kind.TRANSIENT),
        (428, Kind.TRANSIENT),
        (500, Kind.OWN_FAULT),
    ],
)
def test_status_decides_where_no_code_does(status, kind):
    assert judged(document("X/001", "no"), status).kind is kind


def test_page_of_a_proxy_in_the_way_leaves_open_what_became_of_a_posting():
    assert judged(b"<html>bad gateway</html>", 502).kind is Kind.UNKNOWN
    assert judged(b"<html>broken</html>", 500).kind is Kind.UNKNOWN
