-- What the bench of the rules looks at while the process follows.

-- name: read_so_far
-- The newest batch of the lane that the rules have read, and the newest up to which everything is worked on.
select (s.state -> 'read' ->> '1')::bigint as read, c.seq as done
from lane_cursor as c
cross join rule_state as s
where c.lane = 1 and s.rule_id = '@clock';

-- name: raised
select count(*) as alarms from alarm;
