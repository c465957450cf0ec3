-- Messages of the other side of a webhook: of each record the newest that was taken.

-- Networks repeat messages and change their order. A message is taken only if it is newer than the last one of its record, by the
-- time that the sender gives it, then by the sender's sequence, then by the message's id (so that of two at one time the same one
-- holds, in whatever order they come). The row is written in the transaction that stores what the message says.
create table webhook_arrival (
    connector text not null,
    type text not null,
    record text not null,
    occurred_at timestamptz not null,
    sequence text collate "C" not null,
    message_id text collate "C" not null,
    primary key (connector, type, record)
);
comment on column webhook_arrival.record is 'Number of the order or shipment, or the other side''s id of the request.';
