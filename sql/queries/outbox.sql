-- name: lock_stream_for_insert
select pg_advisory_xact_lock(hashtextextended('amor outbox insert|' || %(connector)s || '|' || %(stream)s, 0));

-- name: insert
with made as (
    insert into outbox (connector, stream, seq, kind, payload, key)
    select
        %(connector)s, %(stream)s,
        coalesce((select max(seq) from outbox where connector = %(connector)s and stream = %(stream)s), 0) + 1,
        %(kind)s, %(payload)s, %(key)s
    on conflict (key) do nothing
    returning id
)
select id, pg_notify('amor_outbox', %(connector)s), pg_notify('amor_live', 'outbox:' || id) from made;

-- name: listen
listen amor_outbox;

-- name: let_the_server_notice_a_dead_relay
-- The lock of a stream ends with its session. A killed process closes its socket at once; a machine that lost its power does
-- not, and the server's default is to ask after two hours.
set tcp_keepalives_idle = 10;
set tcp_keepalives_interval = 5;
set tcp_keepalives_count = 3;

-- name: lock_due_head
-- The heads are found by stepping from stream to stream on the index of open rows, however long each stream's queue is. The
-- lock is tried on one head after another, oldest due first, and on none behind the first that it gets.
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

due as materialized (
    select id, stream from head where state <> 'parked' and next_at <= now() order by next_at, id
)

select id, stream
from due
where pg_try_advisory_lock(hashtextextended('amor outbox send|' || %(connector)s || '|' || stream, 0))
limit 1;

-- name: unlock
select pg_advisory_unlock(hashtextextended('amor outbox send|' || %(connector)s || '|' || %(stream)s, 0));

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
-- Between finding the head and locking its stream another relay may have finished it: what counts is what stands here now.
with head as (
    select id, state
    from outbox
    where id = %(id)s and state in ('pending', 'sending') and next_at <= now()
    for update
)
update outbox
set state = 'sending', attempts = outbox.attempts + 1, next_at = now() + %(settle)s
from head
where outbox.id = head.id
returning
    outbox.id, outbox.stream, outbox.seq, outbox.kind, outbox.payload, outbox.attempts, outbox.checkpoint,
    outbox.created_at, head.state = 'sending' as was_sending;

-- name: keep_plan
update outbox set checkpoint = %(checkpoint)s, next_at = now() + %(settle)s where id = %(id)s;

-- name: record_step
with attempt as (
    insert into outbox_attempt (outbox_id, step, outcome, status, request, answer, duration_ms)
    values (%(id)s, %(step)s, 'ok', %(status)s, %(request)s, %(answer)s, %(duration_ms)s)
)
update outbox set checkpoint = jsonb_set(checkpoint, '{done}', to_jsonb(%(done)s::int)), next_at = now() + %(settle)s
where id = %(id)s;

-- name: record_attempt
insert into outbox_attempt (outbox_id, step, outcome, status, request, answer, duration_ms)
values (%(id)s, %(step)s, %(outcome)s, %(status)s, %(request)s, %(answer)s, %(duration_ms)s);

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

-- name: finish
with closed as (
    update outbox set state = 'done', done_at = now(), external_id = %(external_id)s, last_error = ''
    where id = %(id)s and state = 'sending'
    returning id, connector, kind, payload
),

told as (
    update ticket set external_id = %(external_id)s, updated_at = now()
    from closed
    where closed.kind = 'work_request' and ticket.id = (closed.payload ->> 'ticket_id')::bigint
    returning ticket.id, closed.connector
),

event as (
    insert into ticket_event (ticket_id, kind, actor, note)
    select id, 'EXTERNAL', 'relay', connector || ' took it as ' || %(external_id)s from told
)

select pg_notify('amor_live', 'outbox:' || id) from closed
union all
select pg_notify('amor_live', 'ticket:' || id) from told;

-- name: postpone
with changed as (
    update outbox set state = %(state)s, next_at = now() + %(delay)s, last_error = %(error)s
    where id = %(id)s and state = 'sending'
    returning id
)
select pg_notify('amor_live', 'outbox:' || id) from changed;

-- name: replay
with changed as (
    -- The plan goes as well: what it has done is found in the system, where a person may have mended it.
    update outbox set state = 'pending', next_at = now(), checkpoint = '{}'
    where id = %(id)s and state = 'parked'
    returning id, connector
)
select id, pg_notify('amor_outbox', connector), pg_notify('amor_live', 'outbox:' || id) from changed;

-- name: open_count
select state, count(*) as rows from outbox where state <> 'done' group by state;
