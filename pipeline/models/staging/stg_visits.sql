-- 走访: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: visit_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_visits group by id
),
final as (
    select
        id as visit_id,
        enterprise as enterprise_id,
        grid as grid_id,
        harbour as harbour_id,
        worker as worker_id,
        started_at::timestamp as started_at,
        ended_at::timestamp as ended_at,
        try_cast(nullif(location, '') ->> '$.lon' as double) as lon,
        try_cast(nullif(location, '') ->> '$.lat' as double) as lat,
        place,
        outcome,
        demand_asked,
        signature,
        photo_count,
        review,
        captured_at::timestamp as captured_at,
        synced_at::timestamp as synced_at,
        device as device_id
    from raw_visits
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
