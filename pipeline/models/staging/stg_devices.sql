-- 设备: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_devices where _seq > (select min(_seq) from raw_devices) group by id
),
final as (
    select
        id as device_id,
        "user" as user_id,
        state
    from raw_devices
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
