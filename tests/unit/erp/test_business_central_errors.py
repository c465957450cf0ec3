"""What Business Central's error documents mean."""

from __future__ import annotations

import json

import httpx
import pytest

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.business_central.company import Company, words
from bridge.erp.http import Kind, Reply

TABLE = {
    "type": "business_central",
    "name": "bc",
    "url": "https://bc.example.com/api",
    "company": "0b5d8e5a-1111-4222-8333-944455566677",
}
COMPANY = Company(BusinessCentralSettings.model_validate(TABLE))


def judged(status, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return COMPANY._judge(Reply(status, httpx.Headers(), content, content.decode(errors="replace"))).kind


def error(code, text):
    return {"error": {"code": code, "message": f"{text}  CorrelationId:  5f0c."}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("Application_DialogException", "Posting Date is not within your range of allowed posting dates."), Kind.CLOSED_PERIOD),
        (400, error("Application_FieldValidationException", "Buchungsdatum ist nicht im Bereich der zulässigen Buchungsdaten."), Kind.CLOSED_PERIOD),
        (400, error("Application_DialogException", "You have insufficient quantity of Item."), Kind.BUSINESS),
        (409, error("Request_EntityChanged", "Another user has already changed the record."), Kind.TRANSIENT),
        (412, error("Unknown", "Precondition failed."), Kind.TRANSIENT),
        (429, error("Application_TooManyRequests", "Too many requests reached."), Kind.TRANSIENT),
        (401, error("Authentication_InvalidCredentials", "The server has rejected the client credentials."), Kind.CREDENTIALS),
        (500, error("Internal_ServerError", "The record was locked."), Kind.OWN_FAULT),
        (504, b"<html>Gateway Timeout</html>", Kind.UNKNOWN),  # a request of more than ten minutes
        (400, b"no document", Kind.BUSINESS),
        (400, {"error": None}, Kind.BUSINESS),
    ],
)  # fmt: skip
def test_answer_says_who_must_act(status, body, kind):
    assert judged(status, body) is kind


@pytest.mark.parametrize(
    ("value", "text"),
    [("Released", "Released"), ("Firm_x0020_Planned", "Firm Planned"), ("Positive_x0020_Adjmt_x002E_", "Positive Adjmt."), ("_x0020_", " ")],
)  # fmt: skip
def test_value_of_an_enumeration_is_read_as_people_write_it(value, text):
    assert words(value) == text
