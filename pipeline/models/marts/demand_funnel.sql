-- How far the demands of each registration month have come, for the district and the streets: a demand has come as far as
-- every step before the furthest that it shows. 'registered' adds up to CNV-01's denominator.
-- order: org_kind, org_id, period_start, place
with furthest as (
    select c.period_key, c.grid_key, coalesce(d.amount, 0) as amount,
        case
            when d.disbursed_at is not null then 7
            when d.approved_at is not null then 6
            when d.applied_at is not null then 5
            when c.contacted = 1 then 4
            when d.matched_at is not null then 3
            when d.accepted_at is not null then 2
            else 1
        end as furthest
    from int_cohort c
    join stg_demands d on d.demand_id = c.demand_id
),
-- Summed per grid first: seven rows a demand and organisation would be the largest table of the night.
per_grid as (
    select period_key, grid_key, furthest, count(*) as demands, sum(amount) as amount from furthest group by period_key, grid_key, furthest
),
per_org as (
    select o.org_kind, o.org_id, g.period_key, g.furthest, sum(g.demands) as demands, sum(g.amount) as amount
    from per_grid g
    join int_large_org o on o.grid_key = g.grid_key
    group by o.org_kind, o.org_id, g.period_key, g.furthest
),
steps as (
    select * from (values (1, 'registered'), (2, 'accepted'), (3, 'matched'), (4, 'contacted'), (5, 'applied'), (6, 'approved'), (7, 'disbursed')) as t(place, step)
),
final as (
    select o.org_kind, o.org_id, m.period_start, s.step, s.place,
        coalesce(sum(o.demands) filter (where o.furthest >= s.place), 0)::bigint as demands,
        coalesce(sum(o.amount) filter (where o.furthest >= s.place), 0)::bigint as amount,
        m.matured
    from per_org o
    join int_maturing m on m.period_key = o.period_key and m.waits_for = 'loan'
    cross join steps s
    group by o.org_kind, o.org_id, m.period_start, s.step, s.place, m.matured
)
select * from final
