-- Levels of stock for warehouses and shops, and what was taken back.

-- Pieces that a person or a rule took back from an order. Each part of it is an event of the outbox, in the stream of the one that it
-- takes back of. The key makes the decision unique: who asks again with it, after a crash or a second click, takes back nothing more.
create table reversal (
    id bigint generated always as identity primary key,
    key text not null unique,
    connector text not null,
    order_number text not null,
    quantity numeric not null check (quantity > 0),
    reason text not null check (reason <> ''),
    actor text not null,
    at timestamptz not null,
    written_at timestamptz not null default now()
);

create table reversal_part (
    outbox_id bigint primary key references outbox (id),
    reversal_id bigint not null references reversal (id),
    reverses_id bigint not null references outbox (id)
);
comment on column reversal_part.reverses_id is 'The event that the part takes back of.';
create index reversal_part_reversal on reversal_part (reversal_id);

-- What was taken back of an event is found by the event; what was posted of an order by the order (outbox_order).
create index outbox_reversal on outbox (connector, (payload -> 'reverses' -> 'payload' ->> 'event_id')) where kind = 'reversal';

-- The last level that was written for a warehouse or a shop, of each of its streams.
create table stock_level (
    source text not null,
    target text not null,
    item text not null,
    location text not null,
    sequence bigint not null check (sequence > 0),
    available numeric not null,
    outbox_id bigint not null references outbox (id),
    written_at timestamptz not null default now(),
    primary key (source, target, item, location)
);
comment on column stock_level.source is 'The connector whose system knows the stock; target is the one that is told.';
comment on column stock_level.location is 'Empty: all that the system counts as its stock.';

-- How far what business systems tell of themselves (orders, shipments, states of requests) was read: instants of our own clock.
create table inbound_mark (
    connector text not null,
    what text not null check (what in ('orders', 'shipments', 'states')),
    system text not null,
    read_at timestamptz not null,
    wide_at timestamptz not null,
    full_at timestamptz not null,
    primary key (connector, what)
);
comment on column inbound_mark.system is 'The address that was read: of another system everything is read anew.';
comment on column inbound_mark.wide_at is 'When what changed was last read with much overlap, full_at when everything was.';
