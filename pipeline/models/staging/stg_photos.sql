-- 照片: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: photo_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_photos group by id
),
final as (
    select
        id as photo_id,
        collection,
        record as record_id,
        file,
        bytes,
        captured_at::timestamp as captured_at,
        synced_at::timestamp as synced_at,
        device as device_id
    from raw_photos
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
