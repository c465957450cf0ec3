"""A webhook receiver as the contract suite meets it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, ClassVar

from bridge.config.settings.webhook import WebhookSettings
from simulators.systems.webhook import SECRET, Receiver
from tests.erp_systems.served import Served

_DECIDES = "the receiver decides what it takes: a refusal comes as an answer to the message"
_ANY_2XX = "any 2xx is a receipt, whatever is in it"
_TELLS_NOTHING = "a receiver tells nothing of orders and shipments by itself"


class SimulatedReceiver(Served):
    # Tests of the suite that ask for what a webhook does not promise; tests/contract/test_webhook.py has their counterparts.
    not_promised: ClassVar[dict[str, str]] = {
        "test_pieces_after_the_order_is_complete_are_for_a_person": _DECIDES,
        "test_event_whose_predecessor_is_missing_is_for_a_person": _DECIDES,
        "test_unknown_order_is_for_a_person": _DECIDES,
        "test_unknown_equipment_is_for_a_person": _DECIDES,
        "test_answer_that_drips_is_not_waited_for_without_end": _ANY_2XX,
        "test_wrong_key_is_a_matter_of_credentials_and_stands_in_no_message": _TELLS_NOTHING,
        "test_nobody_listening_is_transient_for_reading": _TELLS_NOTHING,
        "test_order_keeps_its_number_id_and_quantity_over_partial_completions": _TELLS_NOTHING,
        "test_change_of_a_part_reads_the_whole_order": _TELLS_NOTHING,
        "test_answer_that_cannot_be_had_is_unclear_and_lookup_finds_the_document": _ANY_2XX,
        "test_answer_that_says_nothing_leaves_a_posting_unclear_and_a_question_transient": _ANY_2XX,
        "test_failure_while_the_document_is_looked_up_is_transient": _ANY_2XX,
        "test_wait_that_the_system_asks_for_is_handed_on_and_nothing_happened": _TELLS_NOTHING,
        "test_event_that_is_there_with_another_quantity_is_not_taken_for_posted": _DECIDES,
        "test_bad_unit_is_refused_before_anything_is_sent": _DECIDES,
        "test_later_event_does_not_overtake_an_earlier_one": _DECIDES,
        "test_master_data_that_the_system_does_not_know_is_told_with_its_place": _TELLS_NOTHING,
        "test_shipments_carry_aware_times_and_leave_open_what_did_not_happen": _TELLS_NOTHING,
    }

    def __init__(self, folder: Path | None = None, *, has_status: bool = True) -> None:
        super().__init__(Receiver(has_status=has_status))

    def settings(self, **changes: Any) -> WebhookSettings:
        secret = changes.pop("api_key", None)
        given = {
            "type": "webhook",
            "name": "hook",
            "url": changes.pop("url", self.url) + "/hooks",
            "secrets": [SECRET if secret is None else "whsec_" + base64.b64encode(secret.ljust(32).encode()).decode()],
            "status_path": "events/{id}" if self.system.has_status else "",
            "timeout_s": 1,
        }
        return WebhookSettings.model_validate({**given, **changes})
