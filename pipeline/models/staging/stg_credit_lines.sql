-- 授权、授信清单: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_credit_lines where _seq > (select min(_seq) from raw_credit_lines) group by id
),
final as (
    select
        id as credit_line_id,
        enterprise as enterprise_id,
        bank as bank_id,
        harbour as harbour_id,
        authorised_on as authorised_at,
        amount,
        used,
        valid_until as valid_until_at,
        product as product_id,
        first_loan,
        captured_at,
        synced_at,
        device as device_id
    from raw_credit_lines
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
