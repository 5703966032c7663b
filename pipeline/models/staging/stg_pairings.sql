-- 结对互助: the latest known row of each record, deletions out. Renames and casts only; times are UTC.
with newer as (
    -- A generation begins with a whole read, all of one seq: only ids that came again need to be compared.
    select id as newer_id, max(_seq) as newest_seq from raw_pairings where _seq > (select min(_seq) from raw_pairings) group by id
),
final as (
    select
        id as pairing_id,
        harbour as harbour_id,
        area as area_id,
        harbour_liaison_unit,
        area_liaison_unit,
        plates,
        plates_on as plates_at,
        photo_count,
        verified_on as verified_at,
        party_pact_on as party_pact_at,
        "from" as from_at,
        "until" as until_at,
        captured_at,
        synced_at,
        device as device_id
    from raw_pairings
    left join newer on id = newer_id
    where (newer_id is null or _seq = newest_seq) and _op = 'upsert'
)
select * from final
