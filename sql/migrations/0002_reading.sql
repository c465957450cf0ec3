-- What came in: batches of readings, what could not be read, what was not heard.

-- One row for each transaction of the ingest path. A lane is one ordered stream of batches with one writer, numbered
-- without gaps, so that a worker follows it with one number.
create table batch (
    lane smallint not null,
    seq bigint not null check (seq > 0),
    source text not null,
    received_at timestamptz not null,
    rows int not null check (rows >= 0),
    duplicates int not null default 0 check (duplicates >= 0),
    min_ts timestamptz,
    max_ts timestamptz,
    primary key (lane, seq),
    check ((min_ts is null) = (rows = 0))
);
comment on column batch.received_at is 'When the first message of the batch arrived here.';
comment on column batch.rows is 'Readings stored by this batch, redeliveries left out.';
comment on column batch.duplicates is 'Readings that were stored already: redeliveries, recognised by their key.';

-- Wide columns first: a row takes 120 bytes with its index.
create table reading (
    ts timestamptz not null,
    value double precision,
    quality bigint not null,
    batch_seq bigint not null,
    tag_id int not null,
    ordinal int not null default 0,
    lane smallint not null,
    text text
);
comment on column reading.ts is 'Source time. The time of arrival is in the batch.';
comment on column reading.quality is 'OPC UA status code (Part 4, 7.39), unsigned 32 bits.';
comment on column reading.ordinal is 'Tells readings apart that one message gave with one source time.';
select create_hypertable('reading', 'ts', chunk_time_interval => interval '1 day', create_default_indexes => false);
create unique index reading_key on reading (tag_id, ts, ordinal);

create table dead_letter (
    id bigint generated always as identity primary key,
    received_at timestamptz not null,
    source text not null,
    address text not null,
    payload bytea not null,
    reason text not null,
    replayed_at timestamptz
);
create index dead_letter_open on dead_letter (source, id) where replayed_at is null;
-- To find an equal one when a message comes again.
create index dead_letter_payload on dead_letter (md5(payload));

create table gap (
    id bigint generated always as identity primary key,
    source text not null,
    tag_id int references tag (id),
    during tstzrange not null,
    cause text not null,
    recovered boolean not null default false
);
create index gap_source on gap (source, id);

-- What a source must remember to go on where it stopped, e.g. the subscriptions of an OPC UA session.
create table source_state (
    source text not null,
    key text not null,
    state jsonb not null,
    updated_at timestamptz not null default now(),
    primary key (source, key)
);

-- How far a worker has followed a lane.
create table lane_cursor (
    worker text not null,
    lane smallint not null,
    seq bigint not null default 0,
    updated_at timestamptz not null default now(),
    primary key (worker, lane)
);
