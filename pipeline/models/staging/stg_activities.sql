-- 活动: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_activities where _seq > (select min(_seq) from raw_activities) group by id
),
final as (
    select
        id as activity_id,
        title,
        kind,
        status,
        cancel_approved,
        topics,
        harbour as harbour_id,
        area as area_id,
        due as due_at,
        "start" as start_at,
        headcount,
        attendees as attendee_ids,
        enterprises as enterprise_ids,
        evidence,
        volunteers,
        organiser as organiser_id,
        photo_count,
        captured_at,
        synced_at,
        device as device_id
    from raw_activities
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
