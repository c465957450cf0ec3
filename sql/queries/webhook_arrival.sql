-- Messages of the other side of a webhook, and whether they are news.

-- name: take
-- One row where the message is newer than the last one of its record; none where it is not.
insert into webhook_arrival as held (connector, type, record, occurred_at, sequence, message_id)
values (%(connector)s, %(type)s, %(record)s, %(occurred_at)s, %(sequence)s, %(message_id)s)
on conflict (connector, type, record) do update
set occurred_at = excluded.occurred_at, sequence = excluded.sequence, message_id = excluded.message_id
where
    (held.occurred_at, held.sequence, held.message_id)
    < (excluded.occurred_at, excluded.sequence, excluded.message_id)
returning true as is_news;

-- name: request_is_on_its_way
-- Whether a request with this id may yet become known here: none has it, and one was sent whose id is not written down.
select
    not exists (select from outbox where connector = %(connector)s and external_id = %(external_id)s)
    and exists (
        select from outbox
        where
            connector = %(connector)s and kind = 'work_request' and state in ('pending', 'sending') and attempts > 0
    ) as is_awaited;
