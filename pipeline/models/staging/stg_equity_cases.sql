-- 直接融资: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_equity_cases where _seq > (select min(_seq) from raw_equity_cases) group by id
),
final as (
    select
        id as equity_case_id,
        enterprise as enterprise_id,
        kind,
        stage,
        fund,
        amount,
        support_amount,
        agency as agency_id,
        started_on as started_at,
        stage_on as stage_at,
        captured_at,
        synced_at,
        device as device_id
    from raw_equity_cases
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
