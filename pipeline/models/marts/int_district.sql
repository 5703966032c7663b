-- The one district of this server: the row in force at T where its name or code changed.
with final as (
    select area_id as district_id, code as district_code
    from stg_areas
    cross join run
    where kind = 'district'
    order by (until_at is null or until_at > run.ends_at) desc, code, area_id
    limit 1
)
select * from final
