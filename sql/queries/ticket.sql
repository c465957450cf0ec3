-- Tickets with their occurrences, history and evidence.

-- name: lock_failure
-- Whoever reports the same failure takes turns until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('amor ticket|' || %(equipment_id)s::text || '|' || %(failure_mode)s, 0));

-- name: newest_of_failure
-- The open ticket of a failure, or else the one that was restarted last.
select id, state, priority, round, restarted_at
from ticket
where equipment_id = %(equipment_id)s and failure_mode = %(failure_mode)s and (closed_at is null or state = 'CLOSED')
order by closed_at is null desc, restarted_at desc nulls last
limit 1
for no key update;

-- name: open
-- One open ticket per asset and failure mode, by the unique index even where somebody takes no turns.
insert into ticket (equipment_id, failure_mode, priority, title, description, opened_at)
values (%(equipment_id)s, %(failure_mode)s, %(priority)s, %(title)s, %(description)s, %(at)s)
returning id;

-- name: occurrence
-- The same alarm at the same instant is one occurrence, however often it is told.
insert into ticket_occurrence (ticket_id, alarm_id, at)
values (%(ticket_id)s, %(alarm_id)s, %(at)s)
on conflict do nothing
returning ticket_id;

-- name: recur
update ticket
set occurrences = occurrences + 1, revision = revision + 1, updated_at = now()
where id = %(id)s
returning pg_notify('amor_live', 'ticket:' || id);

-- name: set_priority
update ticket
set priority = %(priority)s, revision = revision + 1, updated_at = now()
where id = %(id)s
returning pg_notify('amor_live', 'ticket:' || id);

-- name: tell
select pg_notify('amor_live', 'ticket:' || %(id)s::bigint);

-- name: reopen
update ticket
set state = 'REOPENED', round = round + 1, revision = revision + 1, closed_at = null, updated_at = now()
where id = %(id)s
returning round;

-- name: close_old
update ticket set state = 'CLOSED', revision = revision + 1, closed_at = %(at)s, updated_at = now() where id = %(id)s;

-- name: lock
select
    t.id, t.equipment_id, e.path as equipment, t.failure_mode, t.priority, t.state, t.revision, t.round, t.title, t.opened_at,
    t.occurrences, t.restarted_at
from ticket as t
inner join equipment as e on t.equipment_id = e.id
where t.id = %(id)s
for no key update of t;

-- name: move
-- What a step does not name stays as it is.
update ticket
set
    state = %(state)s,
    revision = revision + 1,
    updated_at = now(),
    reason = coalesce(%(reason)s, reason),
    assignee = coalesce(%(assignee)s, assignee),
    scheduled_for = coalesce(%(scheduled_for)s, scheduled_for),
    found_mode = coalesce(%(found_mode)s, found_mode),
    mechanism = coalesce(%(mechanism)s, mechanism),
    cause = coalesce(%(cause)s, cause),
    action = coalesce(%(action)s, action),
    downtime = coalesce(%(downtime)s::interval, downtime),
    was_true = coalesce(%(was_true)s, was_true),
    restarted_at = coalesce(%(restarted_at)s, restarted_at),
    closed_at = case when %(state)s in ('CLOSED', 'REJECTED') then %(at)s::timestamptz end
where id = %(id)s
returning pg_notify('amor_live', 'ticket:' || id);

-- name: event
insert into ticket_event (ticket_id, at, kind, actor, note, from_state, to_state, detail)
values (%(ticket_id)s, %(at)s, %(kind)s, %(actor)s, %(note)s, %(from_state)s, %(to_state)s, %(detail)s);

-- name: events
select id, at, kind, actor, note, from_state, to_state, detail
from ticket_event
where ticket_id = %(id)s
order by id;

-- name: occurrences
select o.alarm_id, o.at, a.rule_id, a.severity, a.message, v.verdict
from ticket_occurrence as o
inner join alarm as a on o.alarm_id = a.id
left join alarm_verdict as v on a.id = v.alarm_id
where o.ticket_id = %(id)s
order by o.at desc
limit 200;

-- name: detail
select
    t.revision, t.round, t.reason, t.assignee, t.scheduled_for, t.found_mode, t.mechanism, t.cause, t.action,
    extract(epoch from t.downtime)::double precision as downtime_s, t.was_true, t.restarted_at
from ticket as t
where t.id = %(id)s;

-- name: has_occurrence
select 1 as found from ticket_occurrence where alarm_id = %(alarm_id)s limit 1;

-- name: note_on_alarm
-- A line in the history of every ticket that an alarm is an occurrence of.
insert into ticket_event (ticket_id, at, kind, actor, note)
select distinct ticket_id, %(at)s::timestamptz, 'note', %(actor)s, %(note)s
from ticket_occurrence
where alarm_id = %(alarm_id)s
returning pg_notify('amor_live', 'ticket:' || ticket_id);

-- name: verdicts_of_ticket
insert into alarm_verdict (alarm_id, verdict, actor, at, note)
select distinct o.alarm_id, %(verdict)s, %(actor)s, %(at)s::timestamptz, 'ticket ' || %(id)s::text
from ticket_occurrence as o
where o.ticket_id = %(id)s
on conflict (alarm_id) do update
set verdict = excluded.verdict, actor = excluded.actor, at = excluded.at, note = excluded.note
where alarm_verdict.note = excluded.note;

-- name: codes
select 'failure_mode' as kind, code, name from failure_mode
union all
select 'mechanism' as kind, code, name from failure_mechanism
union all
select 'cause' as kind, code, name from failure_cause
union all
select 'action' as kind, code, name from maintenance_action
order by kind, code;

-- name: begin_pause
insert into ticket_pause (ticket_id, during, reason) values (%(id)s, tstzrange(%(at)s, null), %(reason)s);

-- name: end_pause
-- One that began at this very instant was none.
with ended as (
    update ticket_pause
    set during = tstzrange(lower(during), greatest(%(at)s::timestamptz, lower(during) + interval '1 microsecond'))
    where ticket_id = %(id)s and upper_inf(during)
    returning ticket_id
)

select count(*) as ended from ended;

-- name: evidence_tags
select id, name, unit from tag where equipment_id = %(equipment_id)s and name = any(%(names)s::text []);

-- name: evidence
insert into ticket_evidence (ticket_id, alarm_id, during, rule_id, rule_version, tags, limits)
values (
    %(ticket_id)s, %(alarm_id)s, tstzrange(%(from)s, %(to)s, '[]'), %(rule_id)s, %(rule_version)s, %(tags)s, %(limits)s
)
on conflict do nothing;

-- name: evidence_due
select
    v.ticket_id, v.alarm_id, lower(v.during) as first, upper(v.during) as last, v.rule_id, v.rule_version, v.tags, v.limits,
    t.equipment_id, t.failure_mode, t.title, t.opened_at, e.path
from ticket_evidence as v
inner join ticket as t on v.ticket_id = t.id
inner join equipment as e on t.equipment_id = e.id
where v.completed_at is null
order by v.ticket_id;

-- name: evidence_readings
-- The readings of each tag in the span; where there are too many, every n-th and those at the edges of what was left out.
with numbered as (
    select
        tag_id, ts, value, text, quality,
        row_number() over (partition by tag_id order by ts, ordinal) as number,
        count(*) over (partition by tag_id) as total
    from reading
    where tag_id = any(%(tags)s::int []) and ts between %(first)s and %(last)s
)

select tag_id, ts, value, text, quality
from numbered
where number %% greatest(1, ceil(total::numeric / %(most)s)::bigint) = 0 or number = 1 or number = total
order by tag_id, number;

-- name: complete_evidence
update ticket_evidence
set data = %(data)s, picture = %(picture)s, picture_type = %(picture_type)s, completed_at = %(now)s
where ticket_id = %(ticket_id)s and completed_at is null
returning pg_notify('amor_live', 'ticket:' || ticket_id);

-- name: evidence_data
select
    v.rule_id, v.rule_version, lower(v.during) as first, upper(v.during) as last, v.tags, v.limits, v.data, v.completed_at,
    a.inputs, a.message
from ticket_evidence as v
inner join alarm as a on v.alarm_id = a.id
where v.ticket_id = %(id)s;
