-- One row per contract with all that decides what it counts for, apart from the cut, as fct_visit does for visits:
--   confirmed_from  since when the server holds it as confirmed by the bank; null where it is not
--   earlier_from    since when an earlier confirmed business loan of the same entity is known: from then on this is no first one
-- grid is the enterprise's when the loan was paid out; demand and match are those it answers (int_loan_of_demand).
-- order: loan_id
with past as (
    select l.loan_id, arg_max(h.value, h.until_at) as grid_id
    from stg_loans l
    join stg_scope_history h on h.record_id = l.enterprise_id and (h.since_at is null or h.since_at <= l.disbursed_at) and l.disbursed_at < h.until_at
    where h.collection = 'enterprises' and h.field = 'grid'
    group by l.loan_id
),
placed as (
    select
        l.loan_id, l.enterprise_id, l.bank_id, l.harbour_id, l.amount, l.kind, l.purpose, l.evidence,
        (l.disbursed_at + interval 8 hour)::date as loan_on,
        (l.first_loan_checked_at + interval 8 hour)::date as checked_on,
        coalesce(l.synced_at, timestamp '9999-01-01') as received_at,
        case when l.evidence in ('bank_confirmed', 'system') and l.confirmed_at is not null
            then greatest(l.confirmed_at, coalesce(l.synced_at, timestamp '9999-01-01')) end as confirmed_from,
        case when l.enterprise_id <> '' then coalesce(k.entity, 'i:' || l.enterprise_id) end as entity,
        case when e.enterprise_id is not null then coalesce(p.grid_id, e.grid_id) else '' end as grid_id
    from stg_loans l
    left join stg_enterprises e on e.enterprise_id = l.enterprise_id
    left join int_entity k on k.enterprise_id = l.enterprise_id
    left join past p on p.loan_id = l.loan_id
    cross join run
    where l.disbursed_at < run.ends_at
),
ordered as (
    select loan_id, min(confirmed_from) over (partition by entity order by loan_on, loan_id rows between unbounded preceding and 1 preceding) as earlier_from
    from placed
    where entity is not null and purpose = 'business' and confirmed_from is not null
),
final as (
    select
        p.loan_id, p.enterprise_id, p.entity, coalesce(d.demand_id, '') as demand_id, coalesce(d.match_id, '') as match_id,
        p.bank_id, p.harbour_id, p.grid_id, coalesce(g.grid_key, 0) as grid_key,
        p.amount, p.kind, p.purpose, p.evidence, p.loan_on, date_trunc('month', p.loan_on)::date as month, p.checked_on,
        p.received_at, p.confirmed_from, o.earlier_from,
        o.loan_id is not null and coalesce(p.checked_on <= p.loan_on, false) as may_be_first
    from placed p
    left join int_loan_of_demand d on d.loan_id = p.loan_id
    left join int_grid g on g.grid_id = p.grid_id
    left join ordered o on o.loan_id = p.loan_id
)
select * from final
