-- What operators do with alarms, the life of a ticket with its clocks, and who is told of what.

-- SHELVED (ISA-18.2, OPC UA part 9): beside the states of an alarm, of one rule on one asset, with a reason and an end.
create table shelf (
    id bigint generated always as identity primary key,
    rule_id text not null,
    equipment_id int not null references equipment (id),
    kind text not null check (kind in ('timed', 'one_shot')),
    reason text not null check (reason <> ''),
    actor text not null,
    shelved_at timestamptz not null,
    until timestamptz not null,
    ended_at timestamptz,
    ended_by text,
    check (until > shelved_at),
    check ((ended_at is null) = (ended_by is null))
);
comment on column shelf.kind is 'one_shot: also ends when the alarm returns to normal.';
comment on column shelf.ended_by is 'A person''s login; "time" at the end that was given; "return" where a one-shot shelf ended with its alarm.';
create unique index shelf_open on shelf (rule_id, equipment_id) where ended_at is null;
create index shelf_due on shelf (until) where ended_at is null;

-- OUT_OF_SERVICE (ISA-18.2): under a work order, of one rule or of every rule, on a piece of equipment and all below it.
create table out_of_service (
    id bigint generated always as identity primary key,
    rule_id text,
    equipment_id int not null references equipment (id),
    work_order text not null check (work_order <> ''),
    reason text not null check (reason <> ''),
    actor text not null,
    since timestamptz not null,
    ended_at timestamptz,
    ended_by text,
    check ((ended_at is null) = (ended_by is null))
);
comment on column out_of_service.rule_id is 'Null: every rule.';
create unique index out_of_service_open on out_of_service (equipment_id, coalesce(rule_id, '')) where ended_at is null;

-- Whether people are called by the alarm, and by each of its events.
alter table alarm add column held_back text check (held_back in ('shelved', 'out_of_service', 'suppressed'));
comment on column alarm.held_back is 'Why nobody is called though the alarm stands; what it causes is made up for when this ends. Null: people are called.';
create index alarm_held_back on alarm (id) where held_back is not null and closed_at is null;
alter table alarm_event add column annunciated boolean not null default true;
comment on column alarm_event.annunciated is 'Nobody was called where false: it was shelved, suppressed or out of service.';
-- The kinds are the life cycle's and the operators', each in its own code.
alter table alarm_event drop constraint if exists alarm_event_kind_check;
alter table alarm_event add constraint alarm_event_kind check (kind ~ '^[A-Z_]{2,40}$');
-- A raise carries its source, so that a year of them is read from an index alone; a rule on trial calls nobody.
alter table alarm_event
add column rule_id text,
add column equipment_id int;
update alarm_event set rule_id = alarm.rule_id, equipment_id = alarm.equipment_id
from alarm
where alarm_event.alarm_id = alarm.id and alarm_event.kind = 'RAISE';

create function name_source_of_raise() returns trigger language plpgsql as $$
begin
    select a.rule_id, a.equipment_id, new.annunciated and not a.shadow
    into new.rule_id, new.equipment_id, new.annunciated
    from alarm as a
    where a.id = new.alarm_id;
    return new;
end
$$;
create trigger alarm_event_source before insert on alarm_event
for each row when (new.kind = 'RAISE') execute function name_source_of_raise();

create index alarm_event_raised on alarm_event (at) include (equipment_id, rule_id, severity)
where kind = 'RAISE' and annunciated and superseded_at is null;
create index alarm_event_source on alarm_event (rule_id, equipment_id, at)
where kind = 'RAISE' and annunciated and superseded_at is null;

-- Why nobody is to be called by an alarm; null where people are.
create function alarm_overlay(of_rule text, of_equipment int, suppressed_by text, at timestamptz) returns text
language sql stable as $$
    select case
        when suppressed_by is not null then 'suppressed'
        when exists (
            select 1
            from equipment as e
            inner join equipment as above on e.id = above.id or starts_with(e.path, above.path || '/')
            inner join out_of_service as o on o.equipment_id = above.id
            where e.id = of_equipment and o.ended_at is null and (o.rule_id is null or o.rule_id = of_rule)
        ) then 'out_of_service'
        when exists (
            select 1
            from shelf as s
            where s.rule_id = of_rule and s.equipment_id = of_equipment and s.ended_at is null and s.until > at
        ) then 'shelved'
    end
$$;

-- What a person found out: whether the alarm told the truth.
create table alarm_verdict (
    alarm_id bigint primary key references alarm (id),
    verdict text not null check (verdict in ('true', 'false', 'unknown')),
    actor text not null,
    at timestamptz not null,
    note text not null default ''
);

-- How often each level of a rule told the truth, and a limit that would have told it more often; computed from the verdicts.
create table rule_feedback (
    rule_id text not null,
    rule_version int not null,
    severity text not null,
    computed_at timestamptz not null,
    true_count int not null,
    false_count int not null,
    unknown_count int not null,
    precision_low double precision,
    precision_high double precision,
    suggestion jsonb,
    primary key (rule_id, severity)
);
comment on column rule_feedback.precision_low is 'Wilson score interval of 95 %; null without a verdict.';
comment on column rule_feedback.suggestion is '{input, tag, above, limit, suggested, kept, dropped, of_false}; null where there is none.';

-- Codes of ISO 14224:2016, annex B: failure modes (B.6 ff.), mechanisms (B.2), causes (B.3), maintenance activities (B.5).
create table failure_mode (code text primary key, name text not null);
create table failure_mechanism (code text primary key, name text not null);
create table failure_cause (code text primary key, name text not null);
create table maintenance_action (code text primary key, name text not null);

insert into failure_mode (code, name) values
('AIR', 'Abnormal instrument reading'), ('BRD', 'Breakdown'), ('DOP', 'Delayed operation'), ('ELF', 'External leakage, fuel'),
('ELP', 'External leakage, process medium'), ('ELU', 'External leakage, utility medium'), ('ERO', 'Erratic output'),
('FOV', 'Faulty output voltage'), ('FRO', 'Failure to rotate'), ('FTC', 'Failure to close on demand'),
('FTF', 'Failure to function on demand'), ('FTI', 'Failure to function as intended'), ('FTO', 'Failure to open on demand'),
('FTR', 'Failure to regulate'), ('FTS', 'Failure to start on demand'), ('HIO', 'High output'), ('IHT', 'Insufficient heat transfer'),
('INL', 'Internal leakage'), ('LBP', 'Low oil supply pressure'), ('LOO', 'Low output'), ('NOI', 'Noise'), ('NOO', 'No output'),
('OHE', 'Overheating'), ('OTH', 'Other'), ('PDE', 'Parameter deviation'), ('PLU', 'Plugged or choked'),
('POW', 'Insufficient power'), ('SER', 'Minor in-service problems'), ('SPO', 'Spurious operation'),
('STD', 'Structural deficiency'), ('STP', 'Failure to stop on demand'), ('UNK', 'Unknown'), ('UST', 'Spurious stop'),
('VIB', 'Vibration');

insert into failure_mechanism (code, name) values
('1.0', 'Mechanical failure, general'), ('1.1', 'Leakage'), ('1.2', 'Vibration'), ('1.3', 'Clearance or alignment failure'),
('1.4', 'Deformation'), ('1.5', 'Looseness'), ('1.6', 'Sticking'), ('2.0', 'Material failure, general'), ('2.1', 'Cavitation'),
('2.2', 'Corrosion'), ('2.3', 'Erosion'), ('2.4', 'Wear'), ('2.5', 'Breakage'), ('2.6', 'Fatigue'), ('2.7', 'Overheating'),
('2.8', 'Burst'), ('3.0', 'Instrument failure, general'), ('3.1', 'Control failure'), ('3.2', 'No signal, indication or alarm'),
('3.3', 'Faulty signal, indication or alarm'), ('3.4', 'Out of adjustment'), ('3.5', 'Software error'),
('3.6', 'Common cause or common mode failure'), ('4.0', 'Electrical failure, general'), ('4.1', 'Short circuiting'),
('4.2', 'Open circuit'), ('4.3', 'No power or voltage'), ('4.4', 'Faulty power or voltage'), ('4.5', 'Earth or isolation fault'),
('5.0', 'External influence, general'), ('5.1', 'Blockage or plugged'), ('5.2', 'Contamination'),
('5.3', 'Miscellaneous external influences'), ('6.0', 'Miscellaneous, general'), ('6.1', 'No cause found'),
('6.2', 'Combined causes'), ('6.3', 'Other'), ('6.4', 'Unknown');

insert into failure_cause (code, name) values
('1.0', 'Design-related causes, general'), ('1.1', 'Improper capacity'), ('1.2', 'Improper material'),
('2.0', 'Fabrication or installation-related causes, general'), ('2.1', 'Fabrication error'), ('2.2', 'Installation error'),
('3.0', 'Operation or maintenance-related causes, general'), ('3.1', 'Off-design service'), ('3.2', 'Operating error'),
('3.3', 'Maintenance error'), ('3.4', 'Expected wear and tear'), ('4.0', 'Management-related causes, general'),
('4.1', 'Documentation error'), ('4.2', 'Management error'), ('5.0', 'Miscellaneous, general'), ('5.1', 'No cause found'),
('5.2', 'Common cause'), ('5.3', 'Combined causes'), ('5.4', 'Other'), ('5.5', 'Unknown');

insert into maintenance_action (code, name) values
('1', 'Replace'), ('2', 'Repair'), ('3', 'Modify'), ('4', 'Adjust'), ('5', 'Refit'), ('6', 'Check'), ('7', 'Service'), ('8', 'Test'),
('9', 'Inspection'), ('10', 'Overhaul'), ('11', 'Combination'), ('12', 'Other');

-- The life of a ticket beyond its state.
alter table ticket
add column revision int not null default 1,
add column round int not null default 1 check (round > 0),
add column reason text not null default '',
add column assignee text not null default '',
add column scheduled_for timestamptz,
add column found_mode text,
add column mechanism text references failure_mechanism (code),
add column cause text references failure_cause (code),
add column action text references maintenance_action (code),
add column downtime interval check (downtime >= interval '0'),
add column was_true text check (was_true in ('true', 'false', 'unknown')),
add column restarted_at timestamptz;
comment on column ticket.revision is 'Rises with every change that a person could have overlooked.';
comment on column ticket.round is '1, and one more for every time that it was reopened: each has clocks of its own.';
comment on column ticket.reason is 'Why it is on hold, or was rejected.';
comment on column ticket.found_mode is 'The failure mode that was found; failure_mode is the one that was reported.';
comment on column ticket.restarted_at is 'When the equipment ran again; an alarm within the time of configuration after it reopens the ticket.';
-- What is done is told in full (ISO 14224); REJECTED and ON_HOLD say why.
alter table ticket add constraint ticket_done check (
    state not in ('DONE', 'VERIFIED')
    or (
        found_mode is not null and mechanism is not null and cause is not null and action is not null and downtime is not null
        and was_true is not null and restarted_at is not null
    )
);
alter table ticket add constraint ticket_reason check (state not in ('REJECTED', 'ON_HOLD') or reason <> '');
create index ticket_restarted on ticket (equipment_id, failure_mode, restarted_at) where state = 'CLOSED';

alter table ticket_event
add column from_state text,
add column to_state text,
add column detail jsonb not null default '{}';
create index ticket_occurrence_alarm on ticket_occurrence (alarm_id);

-- Time on hold does not count. One pause at a time, by constraint.
create table ticket_pause (
    ticket_id bigint not null references ticket (id),
    during tstzrange not null,
    reason text not null,
    exclude using gist (ticket_id with =, during with &&)
);

-- A promise of time: the response (somebody has looked) and the restoration (it runs again).
create table ticket_clock (
    ticket_id bigint not null references ticket (id),
    kind text not null check (kind in ('response', 'restore')),
    round int not null,
    started_at timestamptz not null,
    stopped_at timestamptz,
    target interval not null check (target > interval '0'),
    hours text not null,
    due_at timestamptz,
    warned_at timestamptz,
    breached_at timestamptz,
    next_at timestamptz,
    primary key (ticket_id, kind, round)
);
comment on column ticket_clock.hours is 'The calendar that the clock runs in: always, or shifts.';
comment on column ticket_clock.due_at is 'When the target is used up, as things stand; null on hold.';
comment on column ticket_clock.next_at is 'When to look again; null where only a change of the ticket brings anything.';
create index ticket_clock_next on ticket_clock (next_at) where next_at is not null;

-- What people are to be told. Written with what it tells of; goes on to the outbox at once, or when quiet hours and rates allow.
create table notification (
    id bigint generated always as identity primary key,
    target text not null,
    role text not null,
    key text not null,
    severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
    subject text not null,
    body text not null,
    subject_ref text not null default '',
    occurred_at timestamptz not null,
    created_at timestamptz not null default now(),
    state text not null default 'new' check (state in ('new', 'held', 'queued', 'digested', 'nobody')),
    held_for text not null default '',
    release_at timestamptz,
    queued_at timestamptz,
    outbox_id bigint references outbox (id),
    unique (target, key)
);
comment on column notification.target is 'The connector that carries it; empty where nobody has the role (state nobody).';
comment on column notification.subject_ref is 'What it tells of: alarm:<id> or ticket:<id>.';
comment on column notification.outbox_id is 'The posting that carries it; of a digest for all that it holds.';
create index notification_open on notification (target, id) where state in ('new', 'held');
create index notification_queued on notification (target, queued_at) where queued_at is not null;
