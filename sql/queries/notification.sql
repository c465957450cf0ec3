-- What people are to be told, and what became of it.

-- name: insert
-- The same thing is told to the same people once.
insert into notification (target, role, key, severity, subject, body, subject_ref, occurred_at, state)
values (
    %(target)s, %(role)s, %(key)s, %(severity)s, %(subject)s, %(body)s, %(subject_ref)s, %(at)s,
    case when %(target)s = '' then 'nobody' else 'new' end
)
on conflict (target, key) do nothing
returning id;

-- name: lock_target
-- One process at a time decides for a target, so that its rate holds.
select pg_try_advisory_xact_lock(hashtextextended('amor notify|' || %(target)s, 0)) as taken;

-- name: open_targets
-- Targets that have something that is new, or held or gathered until now.
select target
from notification
where state in ('new', 'held') and (release_at <= %(now)s or (state = 'new' and release_at is null))
group by target;

-- name: new
-- Locked, so that nothing is added to what is being sent; what somebody adds to just now comes the next time, which is soon.
select id, key, role, severity, subject, body, subject_ref, occurred_at
from notification
where target = %(target)s and state = 'new' and coalesce(release_at, %(now)s) <= %(now)s
order by id
limit %(most)s
for update skip locked;

-- name: queued_since
-- When the messages of the span that counts went on to the outbox; a digest is one.
select queued_at
from notification
where target = %(target)s and queued_at > %(since)s
group by outbox_id, queued_at
order by queued_at;

-- name: held
select id, key, role, severity, subject, body, subject_ref, occurred_at, held_for, release_at
from notification
where target = %(target)s and state = 'held'
order by id
for update skip locked;

-- name: hold
update notification set state = 'held', held_for = %(held_for)s, release_at = %(release_at)s where id = %(id)s;

-- name: hold_longer
update notification set release_at = %(release_at)s where target = %(target)s and state = 'held' and release_at <= %(now)s;

-- name: queued
update notification set state = %(state)s, queued_at = %(now)s, outbox_id = %(outbox_id)s
where id = any(%(ids)s::bigint []);

-- name: forsake
with gone as (
    update notification set state = 'nobody', held_for = 'the target is no longer configured'
    where target = %(target)s and state in ('new', 'held')
    returning id
)

select count(*) as gone from gone;

-- name: recent
-- What was told lately, with what the relay says of it.
select
    n.id, n.target, n.role, n.severity, n.subject, n.body, n.subject_ref, n.occurred_at, n.created_at, n.state, n.held_for,
    n.release_at, n.queued_at, n.outbox_id, o.state as outbox_state, o.attempts, o.done_at, o.last_error
from notification as n
left join outbox as o on n.outbox_id = o.id
where (%(ref)s::text is null or n.subject_ref = %(ref)s)
order by n.id desc
limit %(most)s;
