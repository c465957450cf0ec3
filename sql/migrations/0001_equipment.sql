-- Equipment (ISA-95 part 1, role-based hierarchy) and the tags that it carries.
create extension if not exists timescaledb;
create extension if not exists btree_gist;

create table equipment (
    id int generated always as identity primary key,
    parent_id int references equipment (id),
    level text not null check (level in ('enterprise', 'site', 'area', 'work_center', 'work_unit')),
    path text not null unique,
    name text not null,
    class text,
    position int not null default 0,
    is_final boolean not null default false,
    ideal_cycle_s double precision check (ideal_cycle_s > 0),
    created_at timestamptz not null default now(),
    check ((parent_id is null) = (level = 'enterprise'))
);
comment on column equipment.position is 'Place in the flow of its work center, 1 first; 0 where there is none.';
comment on column equipment.is_final is 'Its good pieces are finished goods.';
comment on column equipment.ideal_cycle_s is 'Ideal run time per item, seconds (ISO 22400-2 PRI).';
create index equipment_parent on equipment (parent_id);

create table tag (
    id int generated always as identity primary key,
    equipment_id int not null references equipment (id),
    name text not null,
    datatype text not null check (datatype in ('number', 'text')),
    unit text not null default '',
    kind text not null check (kind in ('gauge', 'counter', 'state', 'event')),
    source text not null,
    address text not null,
    created_at timestamptz not null default now(),
    unique (equipment_id, name)
);
comment on column tag.unit is 'UCUM code; empty when unknown.';
