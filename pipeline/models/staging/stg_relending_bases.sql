-- 再贷款示范基地: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_relending_bases where _seq > (select min(_seq) from raw_relending_bases) group by id
),
final as (
    select
        id as relending_base_id,
        bank as bank_id,
        name,
        place,
        opened_on as opened_at,
        closed_on as closed_at,
        captured_at,
        synced_at,
        device as device_id
    from raw_relending_bases
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
