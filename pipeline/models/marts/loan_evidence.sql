-- Loans of each month by how well they are evidenced, for the district and the banks; they add up to DQ-05's denominator.
-- order: org_kind, org_id, period_start, evidence
with orgs as (
    select l.*, 'bank' as org_kind, l.bank_id as org_id from int_loan_due l where l.bank_id <> ''
    union all
    select l.*, 'district', d.district_id from int_loan_due l cross join int_district d
),
final as (
    select o.org_kind, o.org_id, p.period_start, o.evidence, count(*) as loans, sum(o.amount)::bigint as amount
    from orgs o
    join dim_period p on p.period_key = o.period_key
    where o.aged
    group by o.org_kind, o.org_id, p.period_start, o.evidence
)
select * from final
