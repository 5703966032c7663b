-- 政策推送与回执: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_policy_pushes where _seq > (select min(_seq) from raw_policy_pushes) group by id
),
final as (
    select
        id as policy_push_id,
        policy as policy_id,
        enterprise as enterprise_id,
        channel,
        "by" as by_user_id,
        harbour as harbour_id,
        visit as visit_id,
        "at" as pushed_at,
        receipt,
        receipt_at,
        captured_at,
        synced_at,
        device as device_id
    from raw_policy_pushes
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
