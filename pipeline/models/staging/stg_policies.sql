-- 金融政策宣传手册: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_policies where _seq > (select min(_seq) from raw_policies) group by id
),
final as (
    select
        id as policy_id,
        title,
        kind,
        valid_from as valid_from_at,
        valid_until as valid_until_at,
        tags
    from raw_policies
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
