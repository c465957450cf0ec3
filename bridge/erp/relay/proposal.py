"""What a person might do about an order whose books do not agree: made, posted, and what the business system has. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from bridge.erp.connector import OrderTotals
from bridge.model.decimals import plain
from bridge.store.reconciliation import OrderLedger


def propose(ledger: OrderLedger, told: OrderTotals | None) -> str:
    """What a person might do; empty where the order agrees, or will by itself. `told` None: the system does not tell."""
    words = [*_waiting_for_a_person(ledger), *_counted(ledger)]
    if told is not None:
        words += [*_good_there(ledger, told.good), *_scrap_there(ledger, told.scrap)]
    return "; ".join(words)


def _waiting_for_a_person(ledger: OrderLedger) -> Iterator[str]:
    for quantity, what in (
        (ledger.parked, ""),
        (ledger.reversed_parked, " that are taken back"),
        (ledger.scrap_parked, " of scrap"),
        (ledger.scrap_reversed_parked, " of scrap that are taken back"),
    ):
        if quantity:
            yield f"{plain(quantity)}{what} wait for a person: mend and replay them, or settle what was booked by hand"


def _counted(ledger: OrderLedger) -> Iterator[str]:
    """What was counted against what was told, whatever became of it; what is taken back was told before."""
    missing = ledger.made - (ledger.posted + ledger.unposted + ledger.waiting + ledger.parked)
    if missing > 0:
        yield (
            f"{plain(missing)} were made and are in no posting: look at when the posting rule became active, "
            "and for an event whose quantity a person changed"
        )
    elif missing < 0:
        yield (
            f"{plain(-missing)} were posted and not counted: a person changed the quantity of an event, "
            "somebody wrote to the outbox, or counts are gone"
        )
    if ledger.scrap_made is None:
        return
    told = ledger.scrap_posted + ledger.scrap_unposted + ledger.scrap_waiting + ledger.scrap_parked
    if (missing := ledger.scrap_made - told) > 0:
        yield f"{plain(missing)} of scrap are in no posting: look at when the rule that posts scrap became active"
    elif missing < 0:
        yield f"{plain(-missing)} of scrap were posted and not counted: somebody wrote to the outbox, or counts are gone"


def _good_there(ledger: OrderLedger, erp: Decimal) -> Iterator[str]:
    more = erp - ledger.posted_net
    if more > 0 and ledger.parked >= more:
        yield (
            f"the system has {plain(more)} more than was posted, and {plain(ledger.parked)} are parked: they may be there already, "
            "`amor outbox dry-run` says so"
        )
    elif more > 0 and not ledger.waiting:
        yield f"the system has {plain(more)} more than was posted: look for a posting by hand, and take it back there"
    elif more < 0 and not ledger.reversed_waiting:
        yield (
            f"the system has {plain(-more)} less than was posted: look for documents that were cancelled there, and post them there "
            "by hand"
        )


def _scrap_there(ledger: OrderLedger, erp: Decimal | None) -> Iterator[str]:
    # Some systems take a piece back by scrapping it, others by reversing its document: what was taken back may be in their scrap.
    is_moving = ledger.scrap_waiting or ledger.reversed_waiting or ledger.scrap_reversed_waiting
    if erp is None or ledger.scrap_made is None or is_moving:
        return
    least, most = ledger.scrap_posted_net, ledger.scrap_posted_net + ledger.reversed_posted
    if erp > most:
        yield f"the system has {plain(erp - most)} more of scrap than was posted: look for scrap that was booked by hand there"
    elif erp < least:
        yield f"the system has {plain(least - erp)} less of scrap than was posted: look for documents that were cancelled there"
