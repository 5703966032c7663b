-- 当值安排: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_duty_rosters where _seq > (select min(_seq) from raw_duty_rosters) group by id
),
final as (
    select
        id as duty_roster_id,
        harbour as harbour_id,
        user as user_id,
        "day" as day_at,
        "half",
        checked_in_at,
        spot_check,
        spot_checked_at,
        spot_checked_by as spot_checked_by_id,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_duty_rosters
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
