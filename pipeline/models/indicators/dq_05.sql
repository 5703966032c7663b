-- code: DQ-05  name: bank_confirmed_rate  label: 银行确认率  unit: percent  grain: bank, month  report: quality
-- definition: 分子：其中证据达到“银行确认”或“系统对接”的贷款笔数。
-- definition: 分母：已放款满15天的贷款笔数，不论证据等级（走访自报、银行填报、银行确认、系统对接）。
-- definition: 窗口：放款日所在月，一份合同计一笔。
-- definition: 归属：放款银行；全区为全部贷款。
-- definition: 封账：批次在月末之后15天到期，到期月的次月5日24:00后封账，只计此前上报的贷款和确认。
-- definition: 条款：万州府办〔2021〕67号 §四（二）。
with months as (
    select * from int_maturing where waits_for = 'confirmation'
),
by_bank as (
    select period_key, bank_id, count(*) filter (where aged and confirmed) as numerator, count(*) filter (where aged) as denominator
    from int_loan_due
    group by period_key, bank_id
),
whole as (
    select period_key, sum(numerator) as numerator, sum(denominator) as denominator from by_bank group by period_key
),
final as (
    select m.period, m.period_start, 'bank' as org_kind, b.bank_id as org_id, b.numerator, b.denominator, m.status
    from months m
    join by_bank b on b.period_key = m.period_key
    where b.bank_id <> '' and b.denominator > 0
    union all
    select m.period, m.period_start, 'district', d.district_id, coalesce(w.numerator, 0), coalesce(w.denominator, 0), m.status
    from months m
    cross join int_district d
    left join whole w on w.period_key = m.period_key
)
select * from final
