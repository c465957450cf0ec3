-- What is no longer kept of what went to business systems: a page at a time, each in a transaction of its own.

-- name: forget_attempts
-- By id, in which order they were written; what is passed over belongs to events that are not done, or not for long enough.
with page as (
    select id, outbox_id, at
    from outbox_attempt
    where id > %(after)s
    order by id
    limit %(most)s
),

gone as (
    delete from outbox_attempt
    using page, outbox
    where
        outbox_attempt.id = page.id and page.at < %(before)s
        and outbox.id = page.outbox_id and outbox.done_at < %(before)s
    returning outbox_attempt.id
)

select
    max(page.id) as last, (select count(*) from gone) as deleted,
    count(*) < %(most)s or bool_and(page.at >= %(before)s) as is_last
from page;

-- name: forget_messages
-- Messages to people, levels of stock and writes to tags, with their attempts and what was to be told. What somebody changed, asked
-- about or goes on counting from (the last level of an item) stays.
with page as (
    select o.id
    from outbox as o
    where
        o.kind in ('notice', 'availability', 'tag_write') and o.done_at < %(before)s
        and not exists (select 1 from stock_level as l where l.outbox_id = o.id)
        and not exists (select 1 from outbox_edit as e where e.outbox_id = o.id)
        and not exists (select 1 from relay_question as q where q.outbox_id = o.id)
    order by o.done_at
    limit %(most)s
    for update skip locked
),

attempts as (
    delete from outbox_attempt using page where outbox_attempt.outbox_id = page.id returning outbox_attempt.id
),

told as (
    delete from notification using page where notification.outbox_id = page.id returning notification.id
),

gone as (
    delete from outbox using page where outbox.id = page.id returning outbox.id
)

select
    (select count(*) from gone) as messages, (select count(*) from attempts) as attempts, (select count(*) from told) as told;

-- name: forget_nobody
-- What was told to nobody.
with page as (
    select id from notification where state = 'nobody' and created_at < %(before)s order by created_at limit %(most)s
),

gone as (
    delete from notification using page where notification.id = page.id returning notification.id
)

select count(*) as told from gone;
