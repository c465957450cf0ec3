-- Verdicts on alarms, and what follows from them for the rules.

-- name: give
-- A person's newest word on an alarm counts.
insert into alarm_verdict (alarm_id, verdict, actor, at, note)
values (%(alarm_id)s, %(verdict)s, %(actor)s, %(at)s, %(note)s)
on conflict (alarm_id) do update
set verdict = excluded.verdict, actor = excluded.actor, at = excluded.at, note = excluded.note;

-- name: stale
-- Rules and severities with a verdict that was given after their figures were computed, or shortly before: its transaction may have
-- ended after them.
select a.rule_id, a.severity, max(v.at) as newest
from alarm_verdict as v
inner join alarm as a on v.alarm_id = a.id
left join rule_feedback as f on a.rule_id = f.rule_id and a.severity = f.severity
where f.computed_at is null or v.at > f.computed_at - %(overlap)s
group by a.rule_id, a.severity;

-- name: judged
-- The alarms that were judged, the newest first; how long each stood.
select
    a.id, a.equipment_id, v.verdict, a.raised_at,
    coalesce(a.returned_at, a.closed_at, a.raised_at + interval '1 hour') as ended_at
from alarm_verdict as v
inner join alarm as a on v.alarm_id = a.id
where a.rule_id = %(rule_id)s and a.severity = %(severity)s
order by v.at desc
limit %(most)s;

-- name: values_of_alarm
-- What was read of a tag around an alarm.
select (extract(epoch from r.ts) * 1000000)::bigint as at_us, r.value
from reading as r
inner join tag as t on r.tag_id = t.id
where
    t.equipment_id = %(equipment_id)s and t.name = %(tag)s and r.ts between %(first)s and %(last)s and r.value is not null
    and r.quality >> 31 & 1 = 0
order by r.ts, r.ordinal
limit %(most)s;

-- name: save
insert into rule_feedback (
    rule_id, rule_version, severity, computed_at, true_count, false_count, unknown_count, precision_low, precision_high, suggestion
)
values (
    %(rule_id)s, coalesce((select max(version) from rule where id = %(rule_id)s), 0), %(severity)s, %(now)s, %(true)s, %(false)s,
    %(unknown)s, %(low)s, %(high)s, %(suggestion)s
)
on conflict (rule_id, severity) do update
set
    rule_version = excluded.rule_version, computed_at = excluded.computed_at, true_count = excluded.true_count,
    false_count = excluded.false_count, unknown_count = excluded.unknown_count, precision_low = excluded.precision_low,
    precision_high = excluded.precision_high, suggestion = excluded.suggestion;

-- name: of_rules
select
    rule_id, rule_version, severity, computed_at, true_count, false_count, unknown_count, precision_low, precision_high, suggestion
from rule_feedback
order by false_count desc, rule_id, severity;
