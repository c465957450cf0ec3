-- Tickets with their occurrences, history and evidence.

-- name: open_or_recur
-- One open ticket per asset and failure mode, whoever comes at once: the second finds the first and is its occurrence.
insert into ticket (equipment_id, failure_mode, priority, title, description, opened_at)
values (%(equipment_id)s, %(failure_mode)s, %(priority)s, %(title)s, %(description)s, %(at)s)
on conflict (equipment_id, failure_mode) where closed_at is null do update
set
    occurrences = ticket.occurrences + 1,
    priority = case
        when
            array_position(array['low', 'medium', 'high', 'critical'], excluded.priority)
            > array_position(array['low', 'medium', 'high', 'critical'], ticket.priority)
            then excluded.priority
        else ticket.priority
    end,
    updated_at = now()
returning id, xmax = 0 as is_new, pg_notify('amor_live', 'ticket:' || id);

-- name: raise_priority
-- May rise, never fall.
update ticket
set priority = %(priority)s, updated_at = now()
where
    equipment_id = %(equipment_id)s and failure_mode = %(failure_mode)s and closed_at is null
    and array_position(array['low', 'medium', 'high', 'critical'], %(priority)s)
    > array_position(array['low', 'medium', 'high', 'critical'], priority)
returning id, pg_notify('amor_live', 'ticket:' || id);

-- name: occurrence
insert into ticket_occurrence (ticket_id, alarm_id, at) values (%(ticket_id)s, %(alarm_id)s, %(at)s) on conflict do nothing;

-- name: event
insert into ticket_event (ticket_id, at, kind, actor, note) values (%(ticket_id)s, %(at)s, %(kind)s, %(actor)s, %(note)s);

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
