-- 推送名单的主体: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_referrals where _seq > (select min(_seq) from raw_referrals) group by id
),
final as (
    select
        id as referral_id,
        batch as batch_id,
        enterprise as enterprise_id,
        bank as bank_id,
        batch_status,
        why,
        wanted,
        contacted_at,
        answer,
        answered_at,
        demand as demand_id,
        captured_at,
        synced_at,
        device as device_id
    from raw_referrals
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
