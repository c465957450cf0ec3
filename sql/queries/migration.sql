-- name: lock
select pg_advisory_lock(hashtext('amor migrate'));

-- name: create_table
create table if not exists schema_migration (
    version int primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
);

-- name: table_exists
select to_regclass('schema_migration') is not null as found;

-- name: done
select version, name, sha256 from schema_migration order by version;

-- name: record
insert into schema_migration (version, name, sha256) values (%s, %s, %s);
