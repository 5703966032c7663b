-- 港湾: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_harbours where _seq > (select min(_seq) from raw_harbours) group by id
),
final as (
    select
        id as harbour_id,
        "number",
        name,
        kind,
        host_bank as host_bank_id,
        area as area_id,
        opened_on as opened_at,
        status
    from raw_harbours
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
