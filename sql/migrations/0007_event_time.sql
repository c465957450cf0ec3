-- Alarms in event time: what was corrected stays visible, what a rule remembers can be gone back to, rules are tried in the shadow.

-- `process`: the rule's condition. `rule_error`: the rule itself failed and is parked.
alter table alarm
add column kind text not null default 'process' check (kind in ('process', 'rule_error')),
add column shadow boolean not null default false,
add column late boolean not null default false,
add column retracted_at timestamptz,
add column suppressed_by text,
add column because jsonb not null default '{}',
add constraint alarm_retracted check (retracted_at is null or state = 'NORMAL');
comment on column alarm.shadow is 'Of a rule on trial: evaluated and journalled, annunciated nowhere, without actions.';
comment on column alarm.late is 'Raised or corrected by readings that came after their time had been worked on.';
comment on column alarm.retracted_at is 'When late readings showed that the alarm never was.';
comment on column alarm.suppressed_by is 'design: the machine is not in a state in which the rule looks; rule:<id>: that alarm is active here or above. Null: annunciated.';
comment on column alarm.because is 'What the rule made of its inputs at the raise: levels with expressions, values of histories, state, order.';

drop index alarm_open;
create unique index alarm_open on alarm (rule_id, equipment_id, kind) where closed_at is null;
create index alarm_rule on alarm (rule_id, equipment_id, raised_at);

alter table alarm_event
add column late boolean not null default false,
add column superseded_at timestamptz,
add column applied_at timestamptz,
add column because jsonb not null default '{}',
drop constraint alarm_event_kind_check,
add constraint alarm_event_kind_check check (kind in (
    'RAISE', 'ESCALATE', 'DEESCALATE', 'REALARM', 'ACK', 'RETURN', 'LATCH', 'RESET', 'CLEAR', 'QUALITY', 'RETRACT', 'ERROR',
    'SUPPRESS', 'UNSUPPRESS', 'SHELVE', 'UNSHELVE', 'OUT_OF_SERVICE', 'IN_SERVICE', 'NOTE'
));
comment on column alarm_event.late is 'Came to be known by readings that came after their time had been worked on.';
comment on column alarm_event.superseded_at is 'When late readings showed that it was not so; the line stays for people to see.';
comment on column alarm_event.applied_at is 'Of an acknowledgement or reset: the instant of the asset''s time at which the rules took it over.';
update alarm_event set applied_at = at where kind in ('ACK', 'RESET');
create index alarm_event_unapplied on alarm_event (alarm_id) where kind in ('ACK', 'RESET') and applied_at is null;

-- What a rule remembered of an asset at an instant of its time, to go back to when readings come later than they may.
create table rule_checkpoint (
    rule_id text not null,
    equipment_id int not null references equipment (id),
    at timestamptz not null,
    state jsonb not null,
    primary key (rule_id, equipment_id, at)
);
create index rule_checkpoint_at on rule_checkpoint (at);

-- Every time that rule files were read: whether they were taken, and every mistake where they were not.
create table rule_load (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    accepted boolean not null,
    rules int not null check (rules >= 0),
    problems jsonb not null default '[]'
);
comment on column rule_load.problems is 'List of {file, line, column, message}.';
