-- DQ-05: loans of each month that were paid out 15 days ago or more, or not yet (aged), confirmed or not, under the month's cut.
with final as (
    select c.period_key, l.loan_id, l.bank_id, l.evidence, l.amount,
        run.date - l.loan_on >= 15 as aged,
        coalesce(l.confirmed_from < c.cut_at, false) as confirmed
    from int_maturing c
    join fct_loan l on l.month = c.period_start
    cross join run
    where c.waits_for = 'confirmation' and l.received_at < c.cut_at
)
select * from final
