-- 工作日历: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: holiday_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_holidays group by id
),
final as (
    select
        id as holiday_id,
        "day",
        kind,
        name
    from raw_holidays
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
