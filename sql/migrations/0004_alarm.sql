-- Rules, the alarms that they raise (ISA-18.2, IEC 62682) and the tickets that follow.
create table rule (
    id text not null,
    version int not null,
    sha256 text not null,
    body jsonb not null,
    file text not null,
    loaded_at timestamptz not null default now(),
    active boolean not null default true,
    primary key (id, version)
);
create unique index rule_active on rule (id) where active;

-- What a rule remembers of one asset: delays, hysteresis, last values. Written with the work that it caused.
create table rule_state (
    rule_id text not null,
    instance text not null,
    state jsonb not null,
    watermark timestamptz,
    primary key (rule_id, instance)
);

create table alarm (
    id bigint generated always as identity primary key,
    rule_id text not null,
    rule_version int not null,
    equipment_id int not null references equipment (id),
    severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
    state text not null check (state in (
        'ACTIVE_UNACK', 'ACTIVE_ACK', 'RECOVERING', 'RTN_UNACK', 'LATCHED', 'NORMAL'
    )),
    quality text not null default 'GOOD' check (quality in ('GOOD', 'UNCERTAIN', 'NO_DATA', 'ERROR')),
    message text not null,
    consequence text not null default '',
    response text not null,
    inputs jsonb not null default '{}',
    raised_at timestamptz not null,
    acked_at timestamptz,
    acked_by text,
    returned_at timestamptz,
    closed_at timestamptz,
    check ((state = 'NORMAL') = (closed_at is not null))
);
comment on column alarm.inputs is 'The inputs with value, unit, quality and source time at the moment of the raise.';
create unique index alarm_open on alarm (rule_id, equipment_id) where closed_at is null;
create index alarm_raised on alarm (raised_at);

create table alarm_event (
    id bigint generated always as identity primary key,
    alarm_id bigint not null references alarm (id),
    at timestamptz not null,
    recorded_at timestamptz not null default now(),
    kind text not null check (kind in ('RAISE', 'ESCALATE', 'DEESCALATE', 'ACK', 'RETURN', 'LATCH', 'RESET', 'CLEAR', 'QUALITY')),
    severity text not null,
    actor text not null default 'rules',
    note text not null default '',
    inputs jsonb not null default '{}'
);
create index alarm_event_alarm on alarm_event (alarm_id, id);

create table ticket (
    id bigint generated always as identity primary key,
    equipment_id int not null references equipment (id),
    failure_mode text not null,
    priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
    state text not null default 'NEW' check (state in (
        'NEW', 'TRIAGED', 'APPROVED', 'REJECTED', 'SCHEDULED', 'IN_PROGRESS', 'ON_HOLD', 'DONE', 'VERIFIED', 'CLOSED', 'REOPENED'
    )),
    title text not null,
    description text not null default '',
    occurrences int not null default 1 check (occurrences > 0),
    opened_at timestamptz not null,
    updated_at timestamptz not null default now(),
    closed_at timestamptz,
    external_id text,
    check ((state in ('CLOSED', 'REJECTED')) = (closed_at is not null))
);
-- One open ticket per asset and failure mode, whatever happens at once.
create unique index ticket_open on ticket (equipment_id, failure_mode) where closed_at is null;

create table ticket_occurrence (
    ticket_id bigint not null references ticket (id),
    alarm_id bigint not null references alarm (id),
    at timestamptz not null,
    primary key (ticket_id, alarm_id, at)
);

create table ticket_event (
    id bigint generated always as identity primary key,
    ticket_id bigint not null references ticket (id),
    at timestamptz not null default now(),
    kind text not null,
    actor text not null default 'rules',
    note text not null default ''
);
create index ticket_event_ticket on ticket_event (ticket_id, id);

-- The readings around the event, as data and as a picture; completed when the time after the event has passed.
create table ticket_evidence (
    ticket_id bigint primary key references ticket (id),
    alarm_id bigint not null references alarm (id),
    during tstzrange not null,
    rule_id text not null,
    rule_version int not null,
    tags jsonb not null,
    limits jsonb not null default '[]',
    data jsonb,
    picture bytea,
    picture_type text,
    completed_at timestamptz
);
comment on column ticket_evidence.tags is 'List of {id, name, unit}.';
comment on column ticket_evidence.limits is 'List of {severity, tag, value} drawn as lines.';
comment on column ticket_evidence.data is 'Per tag name: list of [iso time, value or text, quality].';
create index ticket_evidence_due on ticket_evidence (ticket_id) where completed_at is null;
