-- 推送名单: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_referral_batches where _seq > (select min(_seq) from raw_referral_batches) group by id
),
final as (
    select
        id as referral_batch_id,
        title,
        agency as agency_id,
        due as due_at,
        delivered_at,
        status,
        checked_at,
        checked_by as checked_by_id,
        dispatched_at,
        dispatched_by as dispatched_by_id,
        captured_at,
        synced_at,
        device as device_id
    from raw_referral_batches
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
