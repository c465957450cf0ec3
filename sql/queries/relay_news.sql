-- What the relay has to tell people: events that wait for them, connectors in trouble.

-- name: lock_topic
-- Who adds to a topic, in whatever relay, does it alone until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('amor news|' || %(topic)s, 0));

-- name: parked
-- Events that were parked, but for notices that the relay itself had written: it does not tell of its own voice.
select id, kind, stream
from outbox
where
    id = any(%(ids)s::bigint [])
    and not (
        kind = 'notice' and (
            payload -> 'facts' ->> 'ref' like 'connector:%%'
            or exists (
                select 1 from jsonb_path_query(payload, 'strict $.facts.refs[*]', silent => true) as r (ref)
                where r.ref #>> '{}' like 'connector:%%'
            )
        )
    )
order by id;

-- name: newest
-- The newest message of a topic: whether more may be added to it (not sent yet, or told to nobody a while ago), and what is to pass
-- before the next may be sent.
select
    id, events,
    state in ('new', 'held') or (state = 'nobody' and created_at > now() - %(again)s) as is_open,
    coalesce(queued_at, created_at) + %(again)s as again_at
from notification
where target = %(target)s and topic = %(topic)s
order by id desc
limit 1
for update;

-- name: add
update notification set events = %(events)s, subject = %(subject)s where id = %(id)s;

-- name: insert
-- It is sent when the others of its kind that come at the same time are gathered, and not too soon after the last of its topic.
insert into notification (target, role, key, severity, subject, body, subject_ref, occurred_at, state, topic, events, release_at)
values (
    %(target)s, %(role)s, %(key)s, %(severity)s, %(subject)s, %(body)s, %(subject_ref)s, now(),
    case when %(target)s = '' then 'nobody' else 'new' end, %(topic)s, %(events)s,
    greatest(now() + %(gather)s, %(again_at)s)
)
on conflict (target, key) do nothing;

-- name: lock_troubles
-- One relay at a time looks; the others need not.
select pg_try_advisory_xact_lock(hashtextextended('amor troubles', 0)) as taken;

-- name: situations
-- How connectors are by what their relays say: a connector works where it works for one of them. With the trouble that was told.
with condition as (
    select distinct on (connector) connector, state, reason, is_proven, now() - since as lasts
    from connector_condition
    where heard_at > now() - %(fresh)s and connector = any(%(connectors)s::text [])
    order by connector, state <> 'works', not is_proven, since
)

select c.connector, c.state, c.reason, c.is_proven, c.lasts, t.id, t.kind, t.told_at, now() - t.told_at as told_since
from condition as c
left join connector_trouble as t on c.connector = t.connector and t.ended_at is null
order by c.connector;

-- name: begin_trouble
insert into connector_trouble (connector, kind, reason) values (%(connector)s, %(kind)s, %(reason)s) returning id;

-- name: end_trouble
update connector_trouble set ended_at = now() where id = %(id)s;
