-- What the relay tells people, how they let it go on, and what it keeps.

-- News of one topic are one message with a count: as long as it was not sent, more of the same is added to it.
alter table notification
add column topic text not null default '',
add column events int not null default 1 check (events > 0);
comment on column notification.subject_ref is 'What it tells of: alarm:<id>, ticket:<id> or connector:<name>.';
comment on column notification.topic is 'What is counted together; empty: it stands for itself.';
comment on column notification.release_at is 'Held: not before this. New: what is like it is gathered until then.';
create index notification_topic on notification (target, topic, id) where topic <> '';

-- A connector in trouble that people were told of: its key is refused, or its system fails for long. Ended once it is well again, which
-- is told as well.
create table connector_trouble (
    id bigint generated always as identity primary key,
    connector text not null,
    kind text not null check (kind in ('refused', 'failing')),
    reason text not null,
    told_at timestamptz not null default now(),
    ended_at timestamptz
);
create unique index connector_trouble_open on connector_trouble (connector) where ended_at is null;

alter table connector_condition add column is_proven boolean not null default false;
comment on column connector_condition.is_proven is 'Works: the system took a request since it failed last, or since its relay began.';

-- A person says that a connector is to be tried now: what was wrong is mended. Each relay compares the number with the one that it saw
-- last, and ends the pauses of the connector.
create table connector_go (
    connector text primary key,
    times bigint not null default 1,
    at timestamptz not null default now()
);

-- Requests and answers are deleted some time after their event is done (bridge/erp/relay/retention.py), a few a night of many: their space
-- is given to new ones soon.
alter table outbox_attempt set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);

-- Rows that are no accounting (messages to people, levels of stock, writes to tags) and are deleted in the end; and what points to them.
create index outbox_message on outbox (done_at) where done_at is not null and kind in ('notice', 'availability', 'tag_write');
create index notification_outbox on notification (outbox_id) where outbox_id is not null;
create index notification_nobody on notification (created_at) where state = 'nobody';
create index reversal_part_reverses on reversal_part (reverses_id);
