-- What people corrected in what was to be posted: another order, another quantity. Postings that come later are numbered on from it.

create table posting_correction (
    id bigint generated always as identity primary key,
    outbox_id bigint not null references outbox (id),
    at timestamptz not null default now(),
    actor text not null,
    reason text not null,
    connector text not null,
    kind text not null,
    item text not null default '',
    order_number text not null,
    uom text not null,
    postings int not null,
    told numeric not null,
    moved numeric not null,
    newest_posting bigint not null
);
comment on column posting_correction.postings is 'How many more events the order has now than its counts say.';
comment on column posting_correction.told is 'How much more is told to the system of the order than its counts say.';
comment on column posting_correction.moved is 'How much of it was made for another order than the machine named; reconciliation counts it as made here.';
comment on column posting_correction.newest_posting is
'The newest row of posting for the same purpose at that time, 0 without one: later rows of it have the correction in their own numbers.';
create index posting_correction_order on posting_correction (order_number, kind);
