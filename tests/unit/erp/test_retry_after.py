from datetime import UTC, datetime, timedelta

import pytest

from bridge.erp.http.failure import retry_after

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("Wed, 01 Jul 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Wed, 01 Jul 2026 11:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("9" * 30, None),
        (None, None),
    ],
)
def test_both_forms_of_retry_after_are_read_and_nonsense_is_none(header, wait):
    assert retry_after(header, NOW) == wait
