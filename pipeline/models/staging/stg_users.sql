-- 用户: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: user_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_users group by id
),
final as (
    select
        id as user_id,
        "role",
        street as street_id,
        harbour as harbour_id,
        bank as bank_id
    from raw_users
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
