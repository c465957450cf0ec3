"""Signatures and envelopes of the webhook connector."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.config.settings.webhook import WebhookSettings
from bridge.erp.webhook import Webhook, signature
from bridge.erp.webhook.envelope import envelope
from bridge.model.production import Disposition, MaterialActual, Reversal, event_id

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
# The example of the Standard Webhooks specification (spec/standard-webhooks.md, "Symmetric").
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
SIGNED_AT = datetime.fromtimestamp(1614265330, UTC)
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="


def test_signature_is_that_of_the_published_example():
    assert signature.headers(ID, SIGNED_AT, BODY, [SECRET]) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_message_is_signed_with_every_secret_while_one_is_replaced():
    headers = signature.headers(ID, SIGNED_AT, BODY, [SECRET, OTHER])
    for secret in (SECRET, OTHER):
        assert signature.is_genuine(headers, BODY, [secret], SIGNED_AT)


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({"webhook-signature": SIGNATURE.replace("g0h", "g0g")}, BODY, SIGNED_AT),
        ({"webhook-signature": SIGNATURE.replace("v1,", "v2,")}, BODY, SIGNED_AT),
        ({"webhook-signature": ""}, BODY, SIGNED_AT),
        ({"webhook-id": "msg_other"}, BODY, SIGNED_AT),
        ({"webhook-timestamp": "1614265331"}, BODY, SIGNED_AT),
        ({"webhook-timestamp": "soon"}, BODY, SIGNED_AT),
        ({"webhook-timestamp": "٣"}, BODY, SIGNED_AT),
        ({"webhook-timestamp": "9" * 400}, BODY, SIGNED_AT),
        ({}, BODY + b" ", SIGNED_AT),
        ({}, BODY, SIGNED_AT + timedelta(seconds=301)),
        ({}, BODY, SIGNED_AT - timedelta(seconds=301)),
    ],
)
def test_message_that_was_changed_or_is_old_is_not_genuine(change, body, now):
    genuine = signature.headers(ID, SIGNED_AT, BODY, [SECRET])
    assert signature.is_genuine(genuine, BODY, [SECRET], SIGNED_AT)
    assert not signature.is_genuine({**genuine, **change}, body, [SECRET], now)


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()), st.binary()
)
def test_no_headers_from_outside_break_the_check(headers, body):
    assert not signature.is_genuine(headers, body, [SECRET], SIGNED_AT)


def piece(**more):
    return MaterialActual(event_id("t", "M", 1), "M", 1, AT, Decimal("0.10"), Decimal("0.30"), "kg", "acme/a", **more)


def test_envelope_is_a_cloud_event_with_decimal_strings_and_the_kind_of_what_shares_a_type():
    good, scrap = (
        envelope(piece(), "urn:acme"),
        envelope(piece(disposition=Disposition.SCRAP, reason="DENT"), "urn:acme"),
    )
    assert good["specversion"] == "1.0"
    assert good["id"] == str(event_id("t", "M", 1))
    assert good["type"] == scrap["type"] == "production.performance"
    assert (good["data"]["kind"], scrap["data"]["kind"]) == ("wip_to_fg", "scrap")
    assert good["data"]["quantity"] == "0.10"
    assert good["time"] == "2026-07-01T12:00:00+00:00"


def test_reversal_carries_what_it_reverses():
    back = Reversal(event_id("t", "M", 2), "M", 2, AT, Decimal("0.10"), Decimal("0.10"), "late", piece())
    assert envelope(back, "amor")["data"]["reverses"]["payload"]["event_id"] == str(event_id("t", "M", 1))


def settings(**changes):
    given = {"type": "webhook", "name": "hook", "url": "http://127.0.0.1:9/in?x=1", "secrets": [SECRET]}
    return WebhookSettings.model_validate({**given, **changes})


async def test_plan_is_the_body_as_it_goes_out_without_signature_or_secret():
    async with Webhook(settings()) as webhook:
        (step,) = await webhook.plan(piece())
    assert step.is_repeatable
    assert step.body["path"] == "http://127.0.0.1:9/in?x=1"
    assert json.loads(step.body["text"])["data"]["quantity"] == "0.10"
    assert "whsec" not in json.dumps(step.to_json())
    assert "signature" not in json.dumps(step.to_json())


@pytest.mark.parametrize(
    "secret", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_%%%", "whsec_" + "QUFB" * 40]
)
def test_secret_that_is_none_of_standard_webhooks_is_refused_without_being_shown(secret):
    with pytest.raises(ValidationError) as raised:
        settings(secrets=[secret])
    assert "whsec_ and base64" in str(raised.value)
    assert secret.removeprefix("whsec_") not in str(raised.value.errors(include_input=False))


def test_status_path_has_exactly_one_place_for_the_id():
    for path in ("events/{id}", ""):
        settings(status_path=path)
    for path in ("events", "events/{id}/{id}", "events/{name}"):
        with pytest.raises(ValidationError):
            settings(status_path=path)
