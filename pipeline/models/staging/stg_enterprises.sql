-- 市场主体: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_enterprises where _seq > (select min(_seq) from raw_enterprises) group by id
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
        founded_on as founded_at,
        status,
        ownership,
        registry_status,
        origin,
        confirmed_at,
        captured_at,
        synced_at
    from raw_enterprises
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
