-- One row per demand. chain is the entity and need within which a second demand may be the same one; null without enterprise.
-- order: demand_id
with final as (
    select
        d.demand_id, d.enterprise_id, d.visit_id, d.grid_id,
        coalesce(g.grid_key, 0) as grid_key,
        d.harbour_id, d.channel, d.kind, d.need, d.amount, d.accepted_amount, d.stage,
        d.captured_at, d.synced_at,
        coalesce(d.synced_at, timestamp '9999-01-01') as received_at,
        date_trunc('month', d.captured_at + interval 8 hour)::date as month,
        case when d.enterprise_id <> '' then coalesce(k.entity, 'i:' || d.enterprise_id) || '|' || d.need end as chain,
        d.stage <> 'void' as countable,
        d.stage <> 'void' and d.need <> 'equity'
            and not coalesce(d.withdrawn_at - d.captured_at <= interval 24 hour, false) as in_cohort
    from stg_demands d
    left join int_entity k on k.enterprise_id = d.enterprise_id
    left join int_grid g on g.grid_id = d.grid_id
)
select * from final
