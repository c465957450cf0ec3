-- What goes to business systems, and what came from them.

-- A row is written in the transaction of the state change that it tells of; its key makes the fact unique. Within one
-- stream (a production order, a ticket) rows go out in the order of seq, one at a time; streams do not wait for another.
create table outbox (
    id bigint generated always as identity primary key,
    connector text not null,
    stream text not null,
    seq bigint not null check (seq > 0),
    kind text not null,
    payload jsonb not null,
    key text not null unique,
    state text not null default 'pending' check (state in ('pending', 'sending', 'done', 'parked')),
    attempts int not null default 0,
    next_at timestamptz not null default now(),
    checkpoint jsonb not null default '{}',
    external_id text,
    last_error text not null default '',
    created_at timestamptz not null default now(),
    done_at timestamptz,
    unique (connector, stream, seq),
    check ((state = 'done') = (done_at is not null))
);
comment on column outbox.state is
'pending: to be sent at next_at; sending: an attempt began, its outcome is unknown until it says otherwise (after a crash: look up first); done: verified in the ERP; parked: a dead letter, waits for a person.';
comment on column outbox.checkpoint is 'What the connector has done of several steps, so that a restart goes on in the middle.';
create index outbox_open on outbox (connector, stream, seq) where state <> 'done';

create table outbox_attempt (
    id bigint generated always as identity primary key,
    outbox_id bigint not null references outbox (id),
    at timestamptz not null default now(),
    step text not null,
    outcome text not null check (outcome in ('ok', 'transient', 'credentials', 'business', 'unknown')),
    status int,
    request jsonb,
    answer text not null default '',
    duration_ms double precision not null
);
create index outbox_attempt_outbox on outbox_attempt (outbox_id, id);

alter table production_count add constraint production_count_outbox foreign key (outbox_id) references outbox (id);

-- Shipments of the business system, for the lead time order -> ship.
create table shipment (
    id bigint generated always as identity primary key,
    connector text not null,
    number text not null,
    order_ref text not null default '',
    state text not null,
    created_at timestamptz not null,
    planned_at timestamptz,
    due_at timestamptz,
    shipped_at timestamptz,
    updated_at timestamptz not null default now(),
    unique (connector, number)
);
comment on column shipment.created_at is 'When the customer''s order was taken.';
create index shipment_shipped on shipment (shipped_at);
