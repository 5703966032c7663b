-- 舆论宣传: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_publicity where _seq > (select min(_seq) from raw_publicity) group by id
),
final as (
    select
        id as publicity_id,
        title,
        kind,
        medium,
        published_on as published_at,
        harbour as harbour_id,
        area as area_id,
        captured_at,
        synced_at,
        device as device_id
    from raw_publicity
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
