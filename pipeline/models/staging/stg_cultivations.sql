-- 融资培育台账: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_cultivations where _seq > (select min(_seq) from raw_cultivations) group by id
),
final as (
    select
        id as cultivation_id,
        enterprise as enterprise_id,
        harbour as harbour_id,
        missing,
        tutor as tutor_id,
        next_step_on as next_step_at,
        started_on as started_at,
        status,
        ended_on as ended_at,
        demand_from as demand_from_id,
        demand_to as demand_to_id,
        captured_at,
        synced_at,
        device as device_id
    from raw_cultivations
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
