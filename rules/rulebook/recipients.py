"""Whether a rule's actions reach anybody: roles that somebody has, connectors of the right kind, tags that may be written."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.config.settings import AppriseSettings, Settings, TagWriteSettings
from rules.language.mistake import suggestion
from rules.rulebook.model import Rule, WriteAction


def reaching_nobody(rule: Rule, settings: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong with the actions of a rule: (message, what is written there). Connectors that are unknown are not told here."""
    tables = {table.name: table for table in settings.connector}
    roles = sorted({role for table in settings.connector if isinstance(table, AppriseSettings) for role in table.roles})
    for role in dict.fromkeys(role for action in rule.notifies for role in action.to):
        if role not in roles:
            yield f"nobody has the role {role}{suggestion(role, roles)}; connectors of type apprise give roles", role
    documents = [*(each.connector for each in rule.tickets), *(each.connector for each in rule.postings)]
    for name in dict.fromkeys(documents):
        if name and isinstance(tables.get(name), AppriseSettings | TagWriteSettings):
            yield f"{name} is of type {tables[name].type}: it holds no documents", name
    for action in rule.webhooks:
        if isinstance(tables.get(action.connector), TagWriteSettings):
            yield f"{action.connector} is of type tag_write: it writes to tags and tells nobody", action.connector
    for write in rule.writes:
        table = tables.get(write.connector)
        if table is not None and (message := _refused(write, table)):
            yield message, write.tag


def _refused(write: WriteAction, table: object) -> str | None:
    if not isinstance(table, TagWriteSettings):
        return f"{write.connector} writes to no tags: name a connector of type tag_write"
    tags = [tag for tag in table.tag if tag.tag == write.tag]
    if not tags:
        return f"{write.connector} may not write {write.tag}{suggestion(write.tag, [tag.tag for tag in table.tag])}"
    refusals = [tag.refuses(write.value) for tag in tags]
    return None if None in refusals else f"{write.connector} may not write {write.tag}: {refusals[0]}"
