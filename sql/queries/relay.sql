-- The relay's side of the outbox: streams are taken, events carried, outcomes written for many events at once.

-- name: listen
listen amor_outbox;

-- name: prepare_session
-- The lock of a stream ends with its session. A killed process closes its socket at once; a machine that lost its power does
-- not, and the server's default is to ask after two hours. A row that somebody else holds must not hold up all others for long.
-- What the relay wrote before it sends must be on the disk: a database that says so earlier would forget, in a crash, what was sent.
set tcp_keepalives_idle = 10;
set tcp_keepalives_interval = 5;
set tcp_keepalives_count = 3;
set lock_timeout = '3s';
set statement_timeout = '50s';
select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';

-- name: backend
select pg_backend_pid() as pid;

-- name: due_heads
-- The heads are found by stepping from stream to stream on the index of open rows, however long each stream's queue is: so many
-- steps from the stream `after` on, so that a look takes the same time however many streams there are; the next look goes on where
-- this one ended (`last`, null at the end). The newest rows of all are looked at beside them. Two of three are those due longest,
-- one is of the newest: what was made just now does not wait behind the backlog of an outage.
-- Streams in hand are left out: this session has their locks, and would get them a second time.
with recursive step as (
    (
        select 1 as nth, id, stream, state, next_at
        from outbox
        where connector = %(connector)s and done_at is null and stream >= %(after)s
        order by stream, seq
        limit 1
    )
    union all
    select step.nth + 1, following.id, following.stream, following.state, following.next_at
    from step
    cross join lateral (
        select id, stream, state, next_at
        from outbox
        where connector = %(connector)s and done_at is null and stream > step.stream
        order by stream, seq
        limit 1
    ) as following
    where step.nth < %(steps)s
),

newest as (
    select id, stream, seq, state, next_at
    from outbox
    where connector = %(connector)s and done_at is null
    order by created_at desc
    limit %(newest)s
),

head as (
    select id, stream, state, next_at from step
    union
    select id, stream, state, next_at
    from newest
    where not exists (
        select 1 from outbox as before
        where
            before.connector = %(connector)s and before.stream = newest.stream and before.seq < newest.seq
            and before.done_at is null
    )
),

due as (
    select id, stream, row_number() over (order by next_at, id) as oldest, row_number() over (order by id desc) as newest
    from head
    where state <> 'parked' and next_at <= now() and stream <> all(%(in_hand)s::text [])
)

select due.id, due.stream, (select stream from step where nth = %(steps)s) as last
from (values (1)) as one
left join due on true
order by least(due.oldest, 2 * due.newest), due.id
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
-- Of the first so many streams: where there are more, the next look comes soon anyway.
with recursive step as (
    (
        select 1 as nth, stream, state, next_at
        from outbox
        where connector = %(connector)s and done_at is null
        order by stream, seq
        limit 1
    )
    union all
    select step.nth + 1, following.stream, following.state, following.next_at
    from step
    cross join lateral (
        select stream, state, next_at
        from outbox
        where connector = %(connector)s and done_at is null and stream > step.stream
        order by stream, seq
        limit 1
    ) as following
    where step.nth < %(steps)s
)

select extract(epoch from min(next_at) - now())::double precision as seconds
from step
where state <> 'parked' and next_at > now();

-- name: begin
-- Between finding the heads and locking their streams another relay may have finished them: what counts is what stands here now.
-- A row that somebody else has locked is left for later.
with head as (
    select id, state
    from outbox
    where
        id = any(%(ids)s::bigint []) and state in ('pending', 'sending') and next_at <= now()
        and not exists (select 1 from connector_stop as s where s.connector = outbox.connector and s.ended_at is null)
    order by id
    for update skip locked
)

update outbox
set state = 'sending', attempts = outbox.attempts + 1, next_at = now() + %(settle)s
from head
where outbox.id = head.id
returning
    outbox.id, outbox.stream, outbox.seq, outbox.kind, outbox.payload, outbox.attempts, outbox.checkpoint,
    outbox.created_at, head.state = 'sending' as was_sending;

-- name: begin_next
-- Of streams that this session holds; none of a connector that a person stopped. The first open row of a stream is found first and
-- locked then: where it is locked by somebody else, the one behind it must not be taken for the first.
with first as (
    select o.id
    from unnest(%(streams)s::text []) as s (stream)
    cross join lateral (
        select id
        from outbox
        where connector = %(connector)s and stream = s.stream and done_at is null
        order by seq
        limit 1
    ) as o
    where not exists (select 1 from connector_stop where connector = %(connector)s and ended_at is null)
),

head as (
    select o.id, o.state
    from outbox as o
    inner join first on o.id = first.id
    where o.state in ('pending', 'sending') and o.next_at <= now()
    for update of o skip locked
)

update outbox
set state = 'sending', attempts = outbox.attempts + 1, next_at = now() + %(settle)s
from head
where outbox.id = head.id
returning
    outbox.id, outbox.stream, outbox.seq, outbox.kind, outbox.payload, outbox.attempts, outbox.checkpoint,
    outbox.created_at, head.state = 'sending' as was_sending;

-- The number of the attempt is its fence: whoever claims a row raises it, and what an older attempt writes then finds no row.

-- name: hold
-- Rows in hand stay in hand for as long again.
update outbox
set next_at = now() + %(settle)s
from unnest(%(ids)s::bigint [], %(attempts)s::int []) as h (id, attempt)
where outbox.id = h.id and outbox.attempts = h.attempt and outbox.state = 'sending';

-- name: keep_plans
-- The rows come as one JSON text: JSON within an array has to be escaped and read twice.
update outbox
set checkpoint = p.checkpoint, next_at = now() + %(settle)s
from jsonb_to_recordset(%(plans)s) as p (id bigint, attempt int, checkpoint jsonb)
where outbox.id = p.id and outbox.attempts = p.attempt and outbox.state = 'sending'
returning outbox.id;

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
    select id, attempt, max(done) as done
    from unnest(%(ids)s::bigint [], %(attempts)s::int [], %(done)s::int []) as each (id, attempt, done)
    group by id, attempt
) as d
where outbox.id = d.id and outbox.attempts = d.attempt and outbox.state = 'sending'
returning outbox.id;

-- name: finish
-- A work request's id goes to its ticket as well.
with given as (
    select * from unnest(%(ids)s::bigint [], %(attempts)s::int [], %(external_ids)s::text []) as g (id, attempt, external_id)
),

closed as (
    update outbox set state = 'done', done_at = now(), external_id = given.external_id, last_error = ''
    from given
    where outbox.id = given.id and outbox.attempts = given.attempt and outbox.state = 'sending'
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

select id, pg_notify('amor_live', 'outbox:' || id) from closed
union all
select null, pg_notify('amor_live', 'ticket:' || id) from told;

-- name: postpone
with changed as (
    update outbox set state = p.state, next_at = now() + p.delay, last_error = p.error
    from
        unnest(%(ids)s::bigint [], %(attempts)s::int [], %(states)s::text [], %(delays)s::interval [], %(errors)s::text [])
        as p (id, attempt, state, delay, error)
    where outbox.id = p.id and outbox.attempts = p.attempt and outbox.state = 'sending'
    returning outbox.id
)

select id, pg_notify('amor_live', 'outbox:' || id) from changed;

-- name: end_waits
-- A person says go: what waits by its own failures is due. What may have gone out and is not known to have arrived (sending) not
-- before its system had its time since now, which is later than since it went out; what is in hand is not touched by this. A row that
-- somebody holds is not waited for.
with waiting as (
    select id
    from outbox
    where
        connector = %(connector)s and done_at is null and state in ('pending', 'sending')
        and next_at > now() + case state when 'sending' then %(settle)s else interval '0' end
    order by id
    limit %(most)s
    for update skip locked
)

update outbox set next_at = now() + case state when 'sending' then %(settle)s else interval '0' end
from waiting
where outbox.id = waiting.id
returning outbox.id;

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
