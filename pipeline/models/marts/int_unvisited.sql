-- COV-07: universe entities at T of the run without a valid visit in the last 90, 180 and 365 days, and without any.
with total as (
    select * from dim_period where period = 'CUM'
),
counted as (
    select u.grid_key,
        count(*) filter (where v.last_valid_visit_at is null or v.last_valid_visit_at < t.t_at - interval 2160 hour) as d90,
        count(*) filter (where v.last_valid_visit_at is null or v.last_valid_visit_at < t.t_at - interval 4320 hour) as d180,
        count(*) filter (where v.last_valid_visit_at is null or v.last_valid_visit_at < t.t_at - interval 8760 hour) as d365,
        count(*) filter (where v.last_valid_visit_at is null) as never
    from total t
    join int_universe u on u.t_key = t.t_key
    left join int_last_visit v on v.entity_key = u.entity_key
    group by u.grid_key
),
by_org as (
    select o.org_kind, o.org_id, sum(c.d90) as d90, sum(c.d180) as d180, sum(c.d365) as d365, sum(c.never) as never
    from counted c
    join int_grid_org o on o.grid_key = c.grid_key
    group by o.org_kind, o.org_id
),
final as (
    select t.period, t.period_start, t.status, o.org_kind, o.org_id,
        coalesce(b.d90, 0) as d90, coalesce(b.d180, 0) as d180, coalesce(b.d365, 0) as d365, coalesce(b.never, 0) as never
    from total t
    cross join dim_org o
    left join by_org b on b.org_kind = o.org_kind and b.org_id = o.org_id
)
select * from final
