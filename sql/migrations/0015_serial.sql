-- Serial numbers of pieces: as machines tell them, and as business systems are given them.

-- The reading that named a counted piece. Where more pieces than one were counted at that instant the number is of one of them, and
-- nothing says of which: `pieces` is kept so that people see why nothing was posted with it.
create table count_serial (
    count_id bigint primary key references production_count (id),
    serial text not null check (serial <> ''),
    pieces bigint not null check (pieces > 0),
    tag_id int not null references tag (id),
    read_at timestamptz not null,
    ordinal int not null
);
comment on column count_serial.pieces is 'How many pieces the machine counted at that instant; a serial number is sure where it is 1.';
comment on column count_serial.read_at is 'With tag_id and ordinal the reading that told the serial number.';
-- A reading names one piece.
create unique index count_serial_reading on count_serial (tag_id, read_at, ordinal) where pieces = 1;

-- A serial number goes to a business system once for an item, whoever writes the event: a rule, or a person who mends one. The item is
-- that of the event, or else the product of its order; empty while nobody knows the order, and then it may be the same as any.
create table posted_serial (
    connector text not null,
    item text not null,
    serial text not null,
    outbox_id bigint not null references outbox (id),
    primary key (connector, item, serial)
);
create index posted_serial_outbox on posted_serial (outbox_id);

create function keep_posted_serials() returns trigger language plpgsql as $$
declare
    its_item text := coalesce(
        nullif(new.payload ->> 'item', ''),
        (select o.product from production_order as o where o.number = new.payload ->> 'order_ref'),
        ''
    );
    its_serials text [];
    twice record;
begin
    delete from posted_serial where outbox_id = new.id;
    if jsonb_typeof(new.payload -> 'serials') <> 'array' then
        return null;
    end if;
    its_serials := array(select distinct s.serial from jsonb_array_elements_text(new.payload -> 'serials') as s (serial));
    select p.serial, p.outbox_id into twice
    from posted_serial as p
    where
        p.connector = new.connector and p.serial = any(its_serials) and (p.item = its_item or p.item = '' or its_item = '')
    limit 1;
    if found then
        raise unique_violation using
            message = format('the serial number %s is in event %s already', twice.serial, twice.outbox_id),
            table = 'posted_serial';
    end if;
    insert into posted_serial (connector, item, serial, outbox_id)
    select new.connector, its_item, s.serial, new.id from unnest(its_serials) as s (serial);
    return null;
end
$$;
create trigger outbox_serials_written after insert on outbox
for each row when (new.kind in ('wip_to_fg', 'scrap') and new.payload ? 'serials') execute function keep_posted_serials();
create trigger outbox_serials_changed after update of payload on outbox
for each row when (new.kind in ('wip_to_fg', 'scrap') and (new.payload ? 'serials' or old.payload ? 'serials'))
execute function keep_posted_serials();

-- Of an event that is taken back whole the pieces may come again, mended, under the same numbers.
create function free_reversed_serials() returns trigger language plpgsql as $$
begin
    if (new.payload ->> 'cumulative')::numeric >= (new.payload #>> '{reverses,payload,quantity}')::numeric then
        delete from posted_serial
        where outbox_id = (
            select o.id from outbox as o
            where o.connector = new.connector and o.key = new.payload #>> '{reverses,payload,event_id}'
        );
    end if;
    return null;
end
$$;
create trigger outbox_serials_reversed after insert on outbox
for each row when (new.kind = 'reversal' and new.payload #> '{reverses,payload}' ? 'serials') execute function free_reversed_serials();

-- What stands in the outbox already, the older event first where two have the same number.
insert into posted_serial (connector, item, serial, outbox_id)
select
    o.connector,
    coalesce(nullif(o.payload ->> 'item', ''), p.product, ''),
    s.serial,
    o.id
from outbox as o
cross join lateral jsonb_array_elements_text(
    case jsonb_typeof(o.payload -> 'serials') when 'array' then o.payload -> 'serials' else '[]' end
) as s (serial)
left join production_order as p on o.payload ->> 'order_ref' = p.number
where o.kind in ('wip_to_fg', 'scrap') and o.payload ? 'serials'
order by o.id
on conflict do nothing;
