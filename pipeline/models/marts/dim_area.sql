-- Areas with the street (or town) and the district they lie in: the nearest one upwards, themselves included.
-- order: area_id
with recursive up as (
    select area_id, area_id as ancestor_id, kind as ancestor_kind, parent_id as next_id, 0 as height from stg_areas
    union all
    -- The height ends the walk where a parent is its own descendant.
    select up.area_id, a.area_id, a.kind, a.parent_id, up.height + 1
    from up join stg_areas a on a.area_id = up.next_id
    where up.height < 12
),
nearest as (
    select
        area_id,
        arg_min(ancestor_id, height) filter (where ancestor_kind in ('street', 'town')) as street_id,
        arg_min(ancestor_id, height) filter (where ancestor_kind = 'district') as district_id
    from up
    group by area_id
),
final as (
    select
        a.area_id, a.code, a.name, a.kind, a.parent_id,
        coalesce(n.street_id, '') as street_id,
        coalesce(s.name, '') as street_name,
        coalesce(n.district_id, '') as district_id
    from stg_areas a
    join nearest n on n.area_id = a.area_id
    left join stg_areas s on s.area_id = n.street_id
)
select * from final
