-- Until when each match is to be answered: the end of the n-th working day after the day it was made.
with matches as (
    select match_id, matched_at, (matched_at + interval 8 hour)::date as matched_on
    from fct_match
    cross join run
    where matched_at < run.ends_at
),
limited as (
    select m.match_id, m.matched_on, l.working_days
    from matches m
    asof join int_contact_limit l on l.since_at <= m.matched_at
),
numbered as (
    select l.match_id, c.working_days + l.working_days as due_number
    from limited l
    join int_working_day c on c.day = l.matched_on
),
final as (
    select n.match_id, c.day as due_on, c.day + interval 1 day - interval 8 hour as due_at, n.due_number
    from numbered n
    join int_working_day c on c.works and c.working_days = n.due_number
)
select * from final
