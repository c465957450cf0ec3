-- Postings of every kind: which counts each of them took.

-- The lot that the machine named at that instant, as it names the order.
alter table production_count add column lot text not null default '';

-- What a rule posted, but for finished goods: those are in production_count.outbox_id, since a piece becomes finished once. Sequence and
-- cumulative quantity run by order and purpose: the connector, the kind, and of what was consumed the item.
create table posting (
    id bigint generated always as identity primary key,
    connector text not null,
    kind text not null check (kind in ('scrap', 'consumed', 'performance', 'reversal')),
    item text not null default '',
    order_number text not null,
    sequence bigint not null check (sequence > 0),
    rule_id text not null,
    equipment_id int not null references equipment (id),
    quantity numeric not null check (quantity >= 0),
    cumulative numeric not null check (cumulative >= quantity),
    uom text not null,
    is_final boolean not null default false,
    posted_at timestamptz not null default now(),
    unique (connector, kind, item, order_number, sequence)
);
comment on column posting.equipment_id is 'The machine of its newest count; of a performance all of its counts.';
comment on column posting.is_final is 'A performance after which nothing more of that machine and order was to come.';
create index posting_performance on posting (order_number, connector, equipment_id, id) where kind = 'performance';

-- The events that carry a posting: one, of a reversal as many as posted the pieces that are taken back.
create table posting_event (
    outbox_id bigint primary key references outbox (id),
    posting_id bigint not null references posting (id)
);
create index posting_event_posting on posting_event (posting_id);

-- A count is taken once for each purpose, by constraint; and scrap is told to a system in one way: as scrap, as good pieces that are taken
-- back, or with a performance.
create table count_posting (
    count_id bigint not null references production_count (id),
    connector text not null,
    kind text not null,
    item text not null default '',
    posting_id bigint not null references posting (id),
    primary key (count_id, connector, kind, item)
);
create unique index count_posting_scrapped on count_posting (count_id, connector) where kind in ('scrap', 'reversal', 'performance');
create index count_posting_posting on count_posting (posting_id);

-- Up to which count everything that a rule is to post for a purpose is settled: posted, or not meant. A start need not look further back.
create table posting_mark (
    rule_id text not null,
    connector text not null,
    kind text not null,
    item text not null default '',
    settled_to bigint not null,
    primary key (rule_id, connector, kind, item)
);

-- Every posting names its counts, whatever its kind.
create index production_count_posting on production_count (outbox_id) where outbox_id is not null;
create view outbox_count as
select outbox_id, id as count_id from production_count where outbox_id is not null
union all
select e.outbox_id, c.count_id
from count_posting as c
inner join posting_event as e on c.posting_id = e.posting_id;
comment on view outbox_count is 'The counts that each row of the outbox posts.';
