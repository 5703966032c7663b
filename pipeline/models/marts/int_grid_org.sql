-- Every organisation a grid's figures roll up into. No grid: the district alone.
with located as (
    select k.grid_key, g.grid_id, g.area_id, g.street_id
    from int_grid k
    join dim_grid g on g.grid_id = k.grid_id
),
final as (
    select grid_key, 'grid' as org_kind, grid_id as org_id from located
    union all
    select grid_key, 'community', area_id from located where area_id <> ''
    union all
    select grid_key, 'street', street_id from located where street_id <> ''
    union all
    select k.grid_key, 'district', d.district_id from int_grid k cross join int_district d
)
select * from final
