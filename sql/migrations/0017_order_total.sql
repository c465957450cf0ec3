-- How much of an order was posted, kept, so that an order of a million postings is posted to as fast as a new one.

-- Sums of the counts that postings up to one took: what the counts themselves say, never more. A posting adds what was posted behind it.
create table posted_total (
    order_number text primary key,
    newest_id bigint not null references outbox (id),
    postings bigint not null check (postings > 0),
    qty bigint not null check (qty >= postings)
);
comment on column posted_total.newest_id is 'The newest posting in the sums: those of an order are written one after the other, each with a higher id.';

create index production_count_posted on production_count (order_number, outbox_id) include (qty)
where is_final and kind = 'good' and outbox_id is not null;

-- Which machines have pieces that wait: of those that no rule posts there are more and more, and nobody reads them.
create index production_count_waiting on production_count (equipment_id, ts)
where is_final and kind = 'good' and outbox_id is null and order_number is not null;
