-- Contacts in which a bank reached the enterprise: what answers a demand.
with final as (
    select demand_id, match_id, happened_at, coalesce(synced_at, timestamp '9999-01-01') as received_at
    from stg_demand_events
    where kind = 'contact' and reached and match_id <> '' and happened_at is not null
)
select * from final
