-- 产品和服务手册: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_products where _seq > (select min(_seq) from raw_products) group by id
),
final as (
    select
        id as product_id,
        name,
        bank as bank_id,
        kind,
        amount_min,
        amount_max,
        term_min,
        term_max,
        rate_min,
        rate_max,
        revolving,
        tags
    from raw_products
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
