-- Who of each registration month has been lent to within 90 days, under the cut of the matured cohort: a row per demand,
-- and for banks per match. aged: 90 days have passed. CNV-04 counts the rows, CNV-05 their amounts.
with cohorts as (
    select period_key, period_start, t_at, cut_at from int_maturing where waits_for = 'loan'
),
members as (
    select c.period_key, c.cut_at, 'demand' as member, d.demand_id as member_id, d.demand_id, d.grid_key, '' as bank_id
    from cohorts c
    join fct_demand d on d.month = c.period_start
    where d.in_cohort and d.captured_at < c.t_at and d.received_at < c.cut_at
    union all
    select c.period_key, c.cut_at, 'match', m.match_id, m.demand_id, 0, m.bank_id
    from cohorts c
    join fct_match m on m.month = c.period_start
    where m.in_cohort and m.bank_id <> '' and m.matched_at < c.t_at and m.received_at < c.cut_at
),
loans as (
    select 'demand' as member, demand_id as member_id, loan_on, amount, confirmed_from from fct_loan where demand_id <> '' and confirmed_from is not null
    union all
    select 'match', match_id, loan_on, amount, confirmed_from from fct_loan where match_id <> '' and confirmed_from is not null
),
lent as (
    select c.period_key, c.member, c.member_id, sum(l.amount) as amount
    from members c
    join loans l on l.member = c.member and l.member_id = c.member_id and l.confirmed_from < c.cut_at
    join fct_demand d on d.demand_id = c.demand_id
    where l.loan_on - (d.captured_at + interval 8 hour)::date <= 90
    group by c.period_key, c.member, c.member_id
),
final as (
    select c.period_key, c.member, c.member_id, c.grid_key, c.bank_id,
        run.date - (d.captured_at + interval 8 hour)::date >= 90 as aged,
        l.member_id is not null as lent,
        coalesce(d.accepted_amount, 0) as accepted_amount,
        least(coalesce(l.amount, 0), coalesce(d.accepted_amount, 0)) as met_amount
    from members c
    join fct_demand d on d.demand_id = c.demand_id
    left join lent l on l.period_key = c.period_key and l.member = c.member and l.member_id = c.member_id
    cross join run
)
select * from final
