-- 贷款: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_loans where _seq > (select min(_seq) from raw_loans) group by id
),
final as (
    select
        id as loan_id,
        enterprise as enterprise_id,
        demand as demand_id,
        bank as bank_id,
        harbour as harbour_id,
        amount,
        disbursed_on as disbursed_at,
        kind,
        purpose,
        customer_credit_total,
        relending_amount,
        compensated_amount,
        first_loan_checked_on as first_loan_checked_at,
        evidence,
        confirmed_at,
        captured_at,
        synced_at
    from raw_loans
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
