-- 基数: the universe entities at each T, with the grid valid then. Integers only: enterprises × T is the largest table.
-- order: t_key, entity_key
with instants as (
    select distinct t_key, t_at from dim_period
),
past as (
    -- What a record's grid, status and registry status were at T, where they have changed since.
    select
        i.t_key,
        h.record_id as enterprise_id,
        arg_max(h.value, h.until_at) filter (where h.field = 'grid') as grid_id,
        arg_max(h.value, h.until_at) filter (where h.field = 'status') as status,
        arg_max(h.value, h.until_at) filter (where h.field = 'registry_status') as registry_status
    from stg_scope_history h
    join instants i on (h.since_at is null or h.since_at <= i.t_at) and i.t_at < h.until_at
    where h.collection = 'enterprises' and h.field in ('grid', 'status', 'registry_status')
    group by i.t_key, h.record_id
),
eligible as (
    select e.enterprise_id, k.enterprise_key, k.entity_key, e.grid_id, e.status, e.registry_status, e.origin, e.confirmed_at, e.founded_at
    from stg_enterprises e
    join int_entity k on k.enterprise_id = e.enterprise_id
    where (e.kind = 'individual_business' or e.ownership in ('', 'private', 'unknown'))
        and e.size not in ('medium', 'large')
        and (e.origin = 'registry' or (e.origin = 'field' and e.confirmed_at is not null))
),
at_t as (
    select
        i.t_key, i.t_at, e.enterprise_key, e.entity_key, e.origin, e.confirmed_at, e.founded_at,
        coalesce(p.grid_id, e.grid_id) as grid_id,
        coalesce(p.status, e.status) as status,
        coalesce(p.registry_status, e.registry_status) as registry_status
    from eligible e
    cross join instants i
    left join past p on p.t_key = i.t_key and p.enterprise_id = e.enterprise_id
),
members as (
    select a.t_key, a.entity_key, a.enterprise_key, coalesce(g.grid_key, 0) as grid_key
    from at_t a
    left join int_grid g on g.grid_id = a.grid_id
    where a.status in ('', 'active')
        and (a.founded_at is null or a.founded_at < a.t_at)
        and (
            (a.origin = 'registry' and a.registry_status in ('存续', '在业', '开业'))
            or (a.origin = 'field' and a.confirmed_at < a.t_at and a.registry_status in ('', '存续', '在业', '开业'))
        )
),
final as (
    -- Several rows with one USCC: the first of them speaks.
    select t_key, entity_key, arg_min(grid_key, enterprise_key) as grid_key, min(enterprise_key) as enterprise_key
    from members
    group by t_key, entity_key
)
select * from final
