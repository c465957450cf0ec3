"""`amor outbox`: what goes to business systems, and what people do about it."""

from __future__ import annotations

import typer

from bridge.cli.outbox.control import go, stop
from bridge.cli.outbox.forget import forget
from bridge.cli.outbox.look import list_, show
from bridge.cli.outbox.mend import dry_run, edit, replay, settle
from bridge.cli.outbox.reconcile import reconcile
from bridge.cli.outbox.reverse import reverse
from bridge.cli.outbox.reverse_event import reverse_event
from bridge.cli.outbox.trace import trace

app = typer.Typer(
    help="What goes to business systems: look, mend, send again, take back, stop and go, compare.",
    no_args_is_help=True,
)
app.command("list")(list_)
app.command()(show)
app.command()(trace)
app.command("dry-run")(dry_run)
app.command()(edit)
app.command()(replay)
app.command()(settle)
app.command()(reverse)
app.command("reverse-event")(reverse_event)
app.command()(stop)
app.command()(go)
app.command()(reconcile)
app.command()(forget)
