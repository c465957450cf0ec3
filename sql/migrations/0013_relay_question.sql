-- What people ask the relay, and how it says that its connectors are: only its process talks to the business systems.

-- A question of a person that needs the system itself; the relay answers it, or nobody does within a minute and it is void.
create table relay_question (
    id bigint generated always as identity primary key,
    connector text not null,
    kind text not null check (kind in ('dry_run', 'reconcile')),
    outbox_id bigint references outbox (id),
    asked_by text not null,
    asked_at timestamptz not null default now(),
    taken_at timestamptz,
    answered_at timestamptz,
    answer jsonb,
    error text,
    check ((kind = 'dry_run') = (outbox_id is not null)),
    -- Answered with one of both.
    check ((answered_at is null and answer is null and error is null) or (answered_at is not null and (answer is null) <> (error is null)))
);
comment on column relay_question.outbox_id is 'The event of a dry run.';
comment on column relay_question.taken_at is 'When a relay began to answer it.';
comment on column relay_question.error is 'Why there is no answer, in words.';
create index relay_question_open on relay_question (connector, id) where answered_at is null;
create index relay_question_asked on relay_question (asked_at);

-- How a relay finds its connectors; it says so again every few seconds, so that one that is gone is seen.
create table connector_condition (
    connector text not null,
    relay uuid not null,
    state text not null check (state in ('works', 'failing', 'refused')),
    reason text not null default '',
    since timestamptz not null default now(),
    until timestamptz,
    heard_at timestamptz not null default now(),
    primary key (connector, relay)
);
comment on column connector_condition.state is 'failing: the system fails, its circuit is open or half open; refused: it refuses the key.';
comment on column connector_condition.until is 'When it is tried again; null while it works.';
comment on column connector_condition.relay is 'One run of one relay: several may serve a database.';

-- What was posted today, and when last, by connector. By done_at alone, which a claim does not change: its updates stay heap-only.
create index outbox_done on outbox (connector, done_at) where done_at is not null;
