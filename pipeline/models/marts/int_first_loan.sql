-- CNV-06: first loans of each month and of the year, under the period's cut: confirmed by then, with no earlier one known by then.
with final as (
    select p.period_key, l.loan_id, l.bank_id, l.harbour_id, l.grid_key
    from fct_loan l
    join dim_period p on (p.period = 'M' and p.period_start = l.month) or (p.period = 'YTD' and p.period_start <= l.loan_on)
    where l.may_be_first and l.confirmed_from < p.cut_at and (l.earlier_from is null or l.earlier_from >= p.cut_at)
)
select * from final
