-- 基数: the universe entities at each T, with the grid valid then. Enterprises × T is the largest table here, so most rows
-- come from a join of small numbers: an enterprise whose grid and status never changed is in from its first T on.
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
changed as (
    select distinct enterprise_id from past
),
eligible as (
    select
        e.enterprise_id, k.enterprise_key, k.entity_key, e.grid_id, e.status, e.registry_status, e.origin,
        -- In the universe at T when this is before T.
        greatest(coalesce(e.founded_at, timestamp '0001-01-01'), case when e.origin = 'field' then e.confirmed_at else timestamp '0001-01-01' end) as since_at,
        c.enterprise_id is not null as has_past
    from stg_enterprises e
    join int_entity k on k.enterprise_id = e.enterprise_id
    left join changed c on c.enterprise_id = e.enterprise_id
    where (e.kind = 'individual_business' or e.ownership in ('', 'private', 'unknown'))
        and e.size not in ('medium', 'large')
        and (e.origin = 'registry' or (e.origin = 'field' and e.confirmed_at is not null))
),
states as (
    select null::integer as t_key, enterprise_key, entity_key, since_at, grid_id, status, registry_status, origin
    from eligible
    where not has_past
    union all
    select i.t_key, e.enterprise_key, e.entity_key, e.since_at,
        coalesce(p.grid_id, e.grid_id), coalesce(p.status, e.status), coalesce(p.registry_status, e.registry_status), e.origin
    from eligible e
    cross join instants i
    left join past p on p.t_key = i.t_key and p.enterprise_id = e.enterprise_id
    where e.has_past
),
alive as (
    select s.t_key, s.enterprise_key, s.entity_key, coalesce(g.grid_key, 0) as grid_key,
        (select count(*) from instants i where i.t_at <= s.since_at) as first_after
    from states s
    left join int_grid g on g.grid_id = s.grid_id
    where s.status in ('', 'active')
        and (s.registry_status in ('存续', '在业', '开业') or (s.origin = 'field' and s.registry_status = ''))
),
members as (
    -- t_key counts T upwards from 1.
    select i.t_key, a.entity_key, a.enterprise_key, a.grid_key
    from alive a
    join instants i on i.t_key > a.first_after
    where a.t_key is null
    union all
    select t_key, entity_key, enterprise_key, grid_key from alive where t_key > first_after
),
shared as (
    select entity_key from int_entity group by entity_key having count(*) > 1
),
final as (
    select t_key, entity_key, enterprise_key, grid_key
    from members
    where entity_key not in (select entity_key from shared)
    union all
    -- Several rows with one USCC: the first of them speaks.
    select t_key, entity_key, min(enterprise_key), arg_min(grid_key, enterprise_key)
    from members
    where entity_key in (select entity_key from shared)
    group by t_key, entity_key
)
select * from final
