-- One row per demand at one bank; month is that of the match.
-- order: match_id
with final as (
    select
        m.match_id, m.demand_id, m.bank_id, m.matched_at, m.first_contact_at, m.applied_at, m.decided_at,
        m.result, m.reason, m.approved_amount, m.synced_at,
        coalesce(m.synced_at, timestamp '9999-01-01') as received_at,
        date_trunc('month', m.matched_at + interval 8 hour)::date as month,
        coalesce(d.in_cohort, false) as in_cohort
    from stg_demand_matches m
    left join fct_demand d on d.demand_id = m.demand_id
)
select * from final
