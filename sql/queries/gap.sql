-- name: insert
insert into gap (source, tag_id, during, cause, recovered)
values (%(source)s, %(tag_id)s, tstzrange(%(start)s, %(end)s, '[]'), %(cause)s, %(recovered)s);
