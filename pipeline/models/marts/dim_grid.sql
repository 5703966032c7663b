-- Grids in the area tree. A grid belongs to the server's one district, also where its area is not in the tree.
-- order: grid_id
with final as (
    select
        g.grid_id, g.name, g.code, g.area_id,
        coalesce(a.name, '') as community_name,
        coalesce(a.street_id, '') as street_id,
        coalesce(d.district_id, '') as district_id,
        g.harbour_id, g.kind, g.registered_count
    from stg_grids g
    left join dim_area a on a.area_id = g.area_id
    left join int_district d on true
)
select * from final
