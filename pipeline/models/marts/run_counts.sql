-- Rows of each collection that this run is made of.
-- order: collection
with final as (
    select collection, sum(total)::bigint as rows
    from int_warehouse_totals
    where metric = 'rows'
    group by collection
)
select * from final
