-- Universe entities visited and all of them, of every place and period: COV-01 takes the windows, COV-02 what has added up.
with spans as (
    select * from dim_period
),
universe as (
    select s.period_key, u.grid_key, u.entities as denominator
    from spans s
    join int_universe_grid u on u.t_key = s.t_key
),
visited as (
    select s.period_key, u.grid_key, count(*) as numerator
    from spans s
    join int_visited v on v.period_key = s.period_key
    join int_universe u on u.t_key = s.t_key and u.entity_key = v.entity_key
    group by s.period_key, u.grid_key
),
by_org as (
    select u.period_key, o.org_kind, o.org_id, sum(coalesce(v.numerator, 0)) as numerator, sum(u.denominator) as denominator
    from universe u
    left join visited v on v.period_key = u.period_key and v.grid_key = u.grid_key
    join int_grid_org o on o.grid_key = u.grid_key
    group by u.period_key, o.org_kind, o.org_id
),
final as (
    select s.period, s.period_start, o.org_kind, o.org_id, coalesce(b.numerator, 0) as numerator, coalesce(b.denominator, 0) as denominator, s.status
    from spans s
    cross join dim_org o
    left join by_org b on b.period_key = s.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
)
select * from final
