-- Which demand a loan answers, and at its bank which match: named by the loan, else the latest demand of the same
-- enterprise that this bank had and that no loan names. As known now: what is linked later belongs there too.
with matches as (
    select demand_id, bank_id, arg_max(match_id, (coalesce(matched_at, timestamp '0001-01-01'), match_id)) as match_id
    from fct_match
    group by demand_id, bank_id
),
named as (
    select distinct demand_id from stg_loans where demand_id <> ''
),
open_demands as (
    select d.demand_id, d.enterprise_id, d.captured_at, (d.captured_at + interval 8 hour)::date as captured_on
    from fct_demand d
    left join named n on n.demand_id = d.demand_id
    where d.countable and d.enterprise_id <> '' and d.captured_at is not null and n.demand_id is null
),
linked as (
    select loan_id, bank_id, demand_id from stg_loans where demand_id <> ''
    union all
    select l.loan_id, l.bank_id, arg_max(d.demand_id, (d.captured_at, d.demand_id))
    from stg_loans l
    join open_demands d on d.enterprise_id = l.enterprise_id and d.captured_on <= (l.disbursed_at + interval 8 hour)::date
    join matches m on m.demand_id = d.demand_id and m.bank_id = l.bank_id
    where l.demand_id = '' and l.enterprise_id <> ''
    group by l.loan_id, l.bank_id
),
final as (
    select l.loan_id, l.demand_id, coalesce(m.match_id, '') as match_id
    from linked l
    left join matches m on m.demand_id = l.demand_id and m.bank_id = l.bank_id
)
select * from final
