-- The organisations that get a row for every period, also when it is zero.
-- order: org_kind, org_id
with final as (
    select 'grid' as org_kind, grid_id as org_id from dim_grid
    union all
    select distinct 'community', area_id from dim_grid where area_id <> ''
    union all
    select 'street', area_id from dim_area where kind in ('street', 'town')
    union all
    select 'district', district_id from int_district
)
select * from final
