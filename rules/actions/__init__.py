"""What an alarm causes, written in the engine's transaction: tickets, and what goes to other systems through the outbox."""

from rules.actions.act import act
from rules.actions.words import message

__all__ = ["act", "message"]
