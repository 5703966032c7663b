-- severity: block
-- message: 逾期各档之和不等于逾期总数，或未走访的长期档多于短期档，或贷款各证据等级之和不等于银行确认率的分母
with sums as (
    select period, period_start, org_kind, org_id,
        sum(numerator) filter (where indicator = 'CNV-12') as overdue, sum(numerator) filter (where indicator in ('CNV-12.d3', 'CNV-12.d7', 'CNV-12.d15', 'CNV-12.over')) as by_age,
        sum(numerator) filter (where indicator = 'COV-07') as d90, sum(numerator) filter (where indicator = 'COV-07.d180') as d180,
        sum(numerator) filter (where indicator = 'COV-07.d365') as d365, sum(numerator) filter (where indicator = 'COV-07.never') as never,
        sum(denominator) filter (where indicator = 'DQ-05') as loans
    from indicators
    where indicator in ('CNV-12', 'CNV-12.d3', 'CNV-12.d7', 'CNV-12.d15', 'CNV-12.over', 'COV-07', 'COV-07.d180', 'COV-07.d365', 'COV-07.never', 'DQ-05')
    group by period, period_start, org_kind, org_id
),
evidence as (
    select org_kind, org_id, period_start, sum(loans) as loans from loan_evidence group by org_kind, org_id, period_start
),
final as (
    select s.*, e.loans as evidenced
    from sums s
    left join evidence e on s.period = 'M' and e.org_kind = s.org_kind and e.org_id = s.org_id and e.period_start = s.period_start
    where coalesce(s.overdue, 0) <> coalesce(s.by_age, 0) or s.d180 > s.d90 or s.d365 > s.d180 or s.never > s.d365 or s.loans <> coalesce(e.loans, 0)
)
select * from final
