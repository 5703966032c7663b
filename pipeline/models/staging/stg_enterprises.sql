-- 市场主体: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: enterprise_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_enterprises group by id
),
final as (
    select
        id as enterprise_id,
        name,
        trim(uscc) as uscc,
        kind,
        industry,
        size,
        grid as grid_id,
        try_cast(nullif(location, '') ->> '$.lon' as double) as lon,
        try_cast(nullif(location, '') ->> '$.lat' as double) as lat,
        employees,
        revenue,
        total_assets,
        founded_on::timestamp as founded_at,
        status,
        ownership,
        registry_status,
        origin,
        confirmed_at::timestamp as confirmed_at,
        captured_at::timestamp as captured_at,
        synced_at::timestamp as synced_at
    from raw_enterprises
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
