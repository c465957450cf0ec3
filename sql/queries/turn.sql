-- Turns: what one process at a time does, whichever of them. A turn ends with its session at the latest.

-- name: take
select pg_try_advisory_lock(hashtextextended('amor turn|' || %(what)s, 0)) as is_taken;

-- name: end_turn
select pg_advisory_unlock(hashtextextended('amor turn|' || %(what)s, 0));
