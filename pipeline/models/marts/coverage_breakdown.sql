-- 走访覆盖率, year to date, by kind, size and section: the parts of each dimension add up to COV-01 YTD.
-- order: org_kind, org_id, dimension, key
with entities as (
    select k.grid_key, e.kind, e.size, e.section, e.visited_this_year::integer as visited
    from dim_enterprise e
    join int_grid k on k.grid_id = e.universe_grid_id
    where e.in_universe
),
parts as (
    select grid_key, 'kind' as dimension, kind as key, visited from entities
    union all
    select grid_key, 'size', size, visited from entities
    union all
    select grid_key, 'section', section, visited from entities
),
final as (
    select o.org_kind, o.org_id, p.dimension, p.key, sum(p.visited)::bigint as numerator, count(*) as denominator
    from parts p
    join int_large_org o on o.grid_key = p.grid_key
    group by o.org_kind, o.org_id, p.dimension, p.key
)
select * from final
