-- Business systems: what people do about them, and what was compared with them.

-- A connector that a person stopped; the relay carries nothing to it until it is let go on.
create table connector_stop (
    id bigint generated always as identity primary key,
    connector text not null,
    at timestamptz not null default now(),
    actor text not null,
    reason text not null check (reason <> ''),
    ended_at timestamptz,
    ended_by text,
    check ((ended_at is null) = (ended_by is null))
);
create unique index connector_stop_open on connector_stop (connector) where ended_at is null;

-- What a person changed in an event before it was sent again; the event keeps its id.
create table outbox_edit (
    id bigint generated always as identity primary key,
    outbox_id bigint not null references outbox (id),
    at timestamptz not null default now(),
    actor text not null,
    reason text not null check (reason <> ''),
    before jsonb not null,
    after jsonb not null
);
create index outbox_edit_outbox on outbox_edit (outbox_id, id);

-- Made, posted and the business system's own total, compared; differences are listed and never corrected by themselves.
create table reconciliation (
    id bigint generated always as identity primary key,
    connector text not null,
    at timestamptz not null default now(),
    since timestamptz not null,
    orders int not null,
    differences int not null,
    actor text not null default 'relay'
);

create table reconciliation_line (
    reconciliation_id bigint not null references reconciliation (id),
    order_number text not null,
    made numeric not null,
    posted numeric not null,
    waiting numeric not null,
    parked numeric not null,
    erp numeric,
    proposal text not null,
    primary key (reconciliation_id, order_number)
);
comment on column reconciliation_line.erp is 'The total of the business system; null where it does not tell.';
comment on column reconciliation_line.waiting is 'Written to the outbox and not posted yet, or made and not yet written.';

-- What a maintenance system says of the request that a ticket made there; the ticket's own state is people's here.
alter table ticket
add column external_state text,
add column external_said text,
add column external_changed_at timestamptz;
comment on column ticket.external_state is 'open, in_progress, done or cancelled; null until the system says something.';
comment on column ticket.external_said is 'The system''s own word for it.';
create index outbox_work_request on outbox (connector, external_id) where kind = 'work_request';
