-- How many universe entities each grid has at each T: counted once for all who need it.
with final as (
    select t_key, grid_key, count(*) as entities from int_universe group by t_key, grid_key
)
select * from final
