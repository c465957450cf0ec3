-- What people ask the relay, which alone talks to business systems.

-- name: listen
listen amor_question;

-- name: ask
with made as (
    insert into relay_question (connector, kind, outbox_id, asked_by)
    values (%(connector)s, %(kind)s, %(outbox_id)s, %(asked_by)s)
    returning id
)
select id, pg_notify('amor_question', id::text) from made;

-- name: delete_old
-- A question is for the person who waits for it; answers hold business data and are not kept.
delete from relay_question where asked_at < now() - interval '1 day';

-- name: waiting
select count(*) as waiting
from relay_question
where connector = %(connector)s and answered_at is null and asked_at > now() - %(valid)s;

-- name: take
-- The oldest that somebody still waits for and no relay is at; one that a relay died over is taken again.
with head as (
    select id
    from relay_question
    where
        connector = %(connector)s and answered_at is null and asked_at > now() - %(valid)s
        and (taken_at is null or taken_at < now() - %(longest)s)
    order by id
    limit 1
    for update skip locked
)

update relay_question as q set taken_at = now()
from head
where q.id = head.id
returning q.id, q.kind, q.outbox_id, q.asked_by;

-- name: answer
with answered as (
    update relay_question set answered_at = now(), answer = %(answer)s, error = %(error)s
    where id = %(id)s and answered_at is null
    returning id
)
select pg_notify('amor_live', 'question:' || id) from answered;

-- name: read
select id, connector, kind, outbox_id, asked_by, asked_at, taken_at, answered_at, answer, error
from relay_question
where id = %(id)s;
