-- A small number for each grid, for the large joins; 0 is no grid (待分配) or one that no longer exists.
with final as (
    select row_number() over (order by grid_id) as grid_key, grid_id from dim_grid
    union all
    select 0 as grid_key, '' as grid_id
)
select cast(grid_key as integer) as grid_key, grid_id from final
