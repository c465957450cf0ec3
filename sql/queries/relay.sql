-- The relay's side of the outbox: streams are taken, events carried, outcomes written for many events at once.

-- name: listen
listen amor_outbox;

-- name: let_the_server_notice_a_dead_relay
-- The lock of a stream ends with its session. A killed process closes its socket at once; a machine that lost its power does
-- not, and the server's default is to ask after two hours.
set tcp_keepalives_idle = 10;
set tcp_keepalives_interval = 5;
set tcp_keepalives_count = 3;

-- name: due_heads
-- The heads are found by stepping from stream to stream on the index of open rows, however long each stream's queue is. Two of
-- three are those due longest, one is of the newest: what was made just now does not wait behind the backlog of an outage.
-- Streams in hand are left out: this session has their locks, and would get them a second time.
with recursive head as (
    (
        select id, stream, state, next_at
        from outbox
        where connector = %(connector)s and state <> 'done'
        order by stream, seq
        limit 1
    )
    union all
    select following.id, following.stream, following.state, following.next_at
    from head
    cross join lateral (
        select id, stream, state, next_at
        from outbox
        where connector = %(connector)s and state <> 'done' and stream > head.stream
        order by stream, seq
        limit 1
    ) as following
),

due as (
    select id, stream, row_number() over (order by next_at, id) as oldest, row_number() over (order by id desc) as newest
    from head
    where state <> 'parked' and next_at <= now() and stream <> all(%(in_hand)s::text [])
)

select id, stream
from due
order by least(oldest, 2 * newest), id
limit %(most)s;

-- name: lock_heads
-- The lock is tried on one after another, and on none behind the last that is wanted.
select h.id, h.stream
from unnest(%(ids)s::bigint [], %(streams)s::text []) as h (id, stream)
where pg_try_advisory_lock(hashtextextended('amor outbox send|' || %(connector)s || '|' || h.stream, 0))
limit %(most)s;

-- name: unlock
select pg_advisory_unlock(hashtextextended('amor outbox send|' || %(connector)s || '|' || s.stream, 0))
from unnest(%(streams)s::text []) as s (stream);

-- name: next_due
with recursive head as (
    (
        select stream, state, next_at
        from outbox
        where connector = %(connector)s and state <> 'done'
        order by stream, seq
        limit 1
    )
    union all
    select following.stream, following.state, following.next_at
    from head
    cross join lateral (
        select stream, state, next_at
        from outbox
        where connector = %(connector)s and state <> 'done' and stream > head.stream
        order by stream, seq
        limit 1
    ) as following
)

select extract(epoch from min(next_at) - now())::double precision as seconds
from head
where state <> 'parked' and next_at > now();

-- name: begin
-- Between finding the heads and locking their streams another relay may have finished them: what counts is what stands here now.
with head as (
    select id, state
    from outbox
    where id = any(%(ids)s::bigint []) and state in ('pending', 'sending') and next_at <= now()
    order by id
    for update
)

update outbox
set state = 'sending', attempts = outbox.attempts + 1, next_at = now() + %(settle)s
from head
where outbox.id = head.id
returning
    outbox.id, outbox.stream, outbox.seq, outbox.kind, outbox.payload, outbox.attempts, outbox.checkpoint,
    outbox.created_at, head.state = 'sending' as was_sending;

-- name: begin_next
-- Of streams that this session holds.
with head as (
    select o.id, o.state
    from unnest(%(streams)s::text []) as s (stream)
    cross join lateral (
        select id, state, next_at
        from outbox
        where connector = %(connector)s and stream = s.stream and state <> 'done'
        order by seq
        limit 1
    ) as o
    where o.state in ('pending', 'sending') and o.next_at <= now()
)

update outbox
set state = 'sending', attempts = outbox.attempts + 1, next_at = now() + %(settle)s
from head
where outbox.id = head.id
returning
    outbox.id, outbox.stream, outbox.seq, outbox.kind, outbox.payload, outbox.attempts, outbox.checkpoint,
    outbox.created_at, head.state = 'sending' as was_sending;

-- name: keep_plans
-- The rows come as one JSON text: JSON within an array has to be escaped and read twice.
update outbox
set checkpoint = p.checkpoint, next_at = now() + %(settle)s
from jsonb_to_recordset(%(plans)s) as p (id bigint, checkpoint jsonb)
where outbox.id = p.id;

-- name: record_attempts
insert into outbox_attempt (outbox_id, step, outcome, status, request, answer, duration_ms)
select id, step, outcome, status, nullif(request, 'null'), answer, duration_ms
from jsonb_to_recordset(%(attempts)s) as a (
    id bigint, step text, outcome text, status int, request jsonb, answer text, duration_ms float8
);

-- name: steps_done
-- Two steps of one event may stand in one write: the later one counts.
update outbox
set checkpoint = jsonb_set(outbox.checkpoint, '{done}', to_jsonb(d.done)), next_at = now() + %(settle)s
from (
    select id, max(done) as done from unnest(%(ids)s::bigint [], %(done)s::int []) as each (id, done) group by id
) as d
where outbox.id = d.id;

-- name: finish
-- A work request's id goes to its ticket as well.
with given as (
    select * from unnest(%(ids)s::bigint [], %(external_ids)s::text []) as g (id, external_id)
),

closed as (
    update outbox set state = 'done', done_at = now(), external_id = given.external_id, last_error = ''
    from given
    where outbox.id = given.id and outbox.state = 'sending'
    returning outbox.id, outbox.connector, outbox.kind, outbox.payload, outbox.external_id
),

told as (
    update ticket set external_id = closed.external_id, updated_at = now()
    from closed
    where closed.kind = 'work_request' and ticket.id = (closed.payload ->> 'ticket_id')::bigint
    returning ticket.id, closed.connector, closed.external_id
),

event as (
    insert into ticket_event (ticket_id, kind, actor, note)
    select id, 'EXTERNAL', 'relay', connector || ' took it as ' || external_id from told
)

select pg_notify('amor_live', 'outbox:' || id) from closed
union all
select pg_notify('amor_live', 'ticket:' || id) from told;

-- name: postpone
with changed as (
    update outbox set state = p.state, next_at = now() + p.delay, last_error = p.error
    from unnest(%(ids)s::bigint [], %(states)s::text [], %(delays)s::interval [], %(errors)s::text []) as p (id, state, delay, error)
    where outbox.id = p.id and outbox.state = 'sending'
    returning outbox.id
)

select pg_notify('amor_live', 'outbox:' || id) from changed;

-- name: same_failures
-- How many failures up to now, at most %(most)s, were in this step with this status; what went well in between (the look-up, the steps
-- before) does not count.
with failure as (
    select step, status, row_number() over (order by id desc) as nth
    from outbox_attempt
    where outbox_id = %(id)s and outcome <> 'ok'
    order by id desc
    limit %(most)s
)

select coalesce(min(nth) filter (where (step, status) is distinct from (%(step)s, %(status)s)) - 1, count(*)) as times
from failure;
