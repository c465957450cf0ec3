-- What machines did and made (ISO 22400-2), and the orders that they made it for (ISA-95 part 4).
create table state_map (
    source text not null default '',
    raw text not null,
    canonical text not null,
    primary key (source, raw)
);
comment on column state_map.source is 'Empty: any source.';

-- One machine is in one state at a time: intervals never overlap, by constraint. The open interval has no upper bound.
create table machine_state (
    id bigint generated always as identity primary key,
    equipment_id int not null references equipment (id),
    during tstzrange not null check (not isempty(during)),
    state text not null check (state in (
        'RUNNING', 'IDLE', 'BLOCKED', 'STARVED', 'SETUP', 'PLANNED_STOP', 'UNPLANNED_STOP', 'MAINTENANCE', 'UNKNOWN'
    )),
    reason text not null default '',
    revision int not null default 1,
    exclude using gist (equipment_id with =, during with &&)
);

create table production_order (
    id bigint generated always as identity primary key,
    number text not null unique,
    connector text not null,
    external_id text not null,
    product text not null,
    quantity numeric not null check (quantity >= 0),
    due timestamptz,
    state text not null check (state in ('planned', 'released', 'done', 'cancelled')),
    work_center text,
    updated_at timestamptz not null default now()
);

-- A counter starts a new epoch where it was reset; a rollover stays in its epoch.
create table counter_epoch (
    tag_id int not null references tag (id),
    epoch int not null,
    started_at timestamptz not null,
    cause text not null,
    primary key (tag_id, epoch)
);

-- Pieces, each traceable to the reading that told of them: (tag_id, ts, ordinal).
create table production_count (
    id bigint generated always as identity primary key,
    equipment_id int not null references equipment (id),
    ts timestamptz not null,
    tag_id int not null references tag (id),
    ordinal int not null,
    order_number text,
    kind text not null check (kind in ('good', 'scrap', 'rework')),
    qty bigint not null check (qty > 0),
    reason text not null default '',
    is_final boolean not null,
    counter_from double precision,
    counter_to double precision not null,
    outbox_id bigint,
    key text not null unique
);
comment on column production_count.order_number is 'The order that the machine named at that instant; not a reference: it may be here before the ERP tells of it.';
comment on column production_count.is_final is 'The piece left the last operation: good ones are finished goods.';
comment on column production_count.outbox_id is 'The posting that took this count to the ERP; null until there is one.';
create index production_count_equipment on production_count (equipment_id, ts);
create index production_count_order on production_count (order_number, kind);
create index production_count_unposted on production_count (order_number, ts) where is_final and kind = 'good' and outbox_id is null;

create table calendar_shift (
    id bigint generated always as identity primary key,
    name text not null,
    during tstzrange not null check (not isempty(during)),
    planned_rate_per_h double precision,
    exclude using gist (during with &&)
);
comment on column calendar_shift.planned_rate_per_h is 'Planned good pieces of the whole plant per hour; null where there is no plan.';
