-- Demands (for banks: matches) of each registration month that are 90 days old and those lent to by then, with their
-- amounts, of every place and of the banks: CNV-04 takes the numbers, CNV-05 the amounts.
with counted as (
    select period_key, member, grid_key, bank_id,
        count(*) filter (where aged and lent) as lent, count(*) filter (where aged) as aged,
        coalesce(sum(met_amount) filter (where aged), 0) as met_amount, coalesce(sum(accepted_amount) filter (where aged), 0) as accepted_amount
    from int_lent
    group by period_key, member, grid_key, bank_id
),
by_org as (
    select c.period_key, o.org_kind, o.org_id, sum(c.lent) as lent, sum(c.aged) as aged, sum(c.met_amount) as met_amount, sum(c.accepted_amount) as accepted_amount
    from counted c
    join int_grid_org o on o.grid_key = c.grid_key
    where c.member = 'demand'
    group by c.period_key, o.org_kind, o.org_id
),
cohorts as (
    select * from int_maturing where waits_for = 'loan'
),
final as (
    select m.period, m.period_start, o.org_kind, o.org_id, m.status,
        coalesce(b.lent, 0) as lent, coalesce(b.aged, 0) as aged, coalesce(b.met_amount, 0) as met_amount, coalesce(b.accepted_amount, 0) as accepted_amount
    from cohorts m
    cross join dim_org o
    left join by_org b on b.period_key = m.period_key and b.org_kind = o.org_kind and b.org_id = o.org_id
    union all
    select m.period, m.period_start, 'bank', c.bank_id, m.status, c.lent, c.aged, c.met_amount, c.accepted_amount
    from cohorts m
    join counted c on c.period_key = m.period_key
    where c.member = 'match' and c.aged > 0
)
select * from final
