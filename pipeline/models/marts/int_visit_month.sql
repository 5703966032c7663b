-- Visits of each month under its cut, counted once for all figures: by worker, grid, outcome and why not valid.
with judged as (
    select
        p.period_key, v.worker_id, v.grid_key, v.outcome,
        case
            when v.rule_failed <> '' then v.rule_failed
            when v.known_at is null or v.known_at >= p.cut_at then 'no_evidence'
            when v.repeat_from < p.cut_at then 'repeat'
            else ''
        end as reason
    from fct_visit v
    join dim_period p on p.period = 'M' and p.period_start = v.month
    where v.captured_at < p.t_at and v.received_at < p.cut_at
),
final as (
    select period_key, worker_id, grid_key, outcome, reason, count(*) as visits
    from judged
    group by all
)
select * from final
