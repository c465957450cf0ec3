"""What looks like a secret is not kept; what does not is kept as it is."""

from __future__ import annotations

import pytest

from bridge.erp.relay.masking import masked, said

SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "text",
    [
        "GET https://amor:hunter2@erp.example/api failed",
        "POST /x\r\nAuthorization: Basic aHVudGVyMjo3NzMx\r\nHost: x",
        '{"authorization": "Bearer hunter2"}',
        '{\\"authorization\\": \\"Bearer hunter2\\"}',
        "{'Authorization': 'hunter2'}",
        "authorization: token hunter2:aHVudGVyMjo3NzMx",
        f"webhook-signature: {SIGNATURE}",
        f'{{"webhook-signature": "{SIGNATURE} {SIGNATURE}"}}',
    ],
)
def test_what_looks_like_a_secret_is_masked(text):
    found = masked(text)
    assert "***" in found
    assert not any(secret in found for secret in ("hunter2", "aHVudGVyMjo3NzMx", "OTPJTGt"))


@pytest.mark.parametrize(
    "text",
    [
        "order MES-0001: the system has 7 PC posted, and 5 PC came before this event (wip_to_fg)",
        "https://erp.example:8069/json/2/mrp.production/write answered 422",
        "user a@example.com may not: no authorization",
        "v1, the first version",
        "No authorization for plant 1010",
        "",
    ],
)
def test_what_does_not_is_kept_as_it_is(text):
    assert masked(text) == text


def test_error_that_says_nothing_is_told_by_its_type():
    assert said(TimeoutError()) == "TimeoutError"
