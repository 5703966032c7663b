-- 港湾: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
-- order: harbour_id
with newest as (
    select id as newest_id, max(_seq) as newest_seq from raw_harbours group by id
),
final as (
    select
        id as harbour_id,
        "number",
        name,
        kind,
        host_bank as host_bank_id,
        area as area_id,
        opened_on::timestamp as opened_at,
        status
    from raw_harbours
    join newest on id = newest_id and _seq = newest_seq
    where _op = 'upsert'
)
select * from final
