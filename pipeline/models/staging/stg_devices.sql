-- 设备: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: device_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_devices group by id
),
final as (
    select
        id as device_id,
        "user" as user_id,
        state
    from raw_devices
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
