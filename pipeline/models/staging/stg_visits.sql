-- 走访: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_visits where _seq > (select min(_seq) from raw_visits) group by id
),
final as (
    select
        id as visit_id,
        enterprise as enterprise_id,
        grid as grid_id,
        harbour as harbour_id,
        worker as worker_id,
        started_at,
        ended_at,
        try_cast(nullif(location, '') ->> '$.lon' as double) as lon,
        try_cast(nullif(location, '') ->> '$.lat' as double) as lat,
        place,
        outcome,
        demand_asked,
        signature,
        photo_count,
        review,
        captured_at,
        synced_at,
        device as device_id
    from raw_visits
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
