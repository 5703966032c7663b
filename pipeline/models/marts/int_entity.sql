-- One entity is one USCC, or one record where there is none. enterprise_key counts up in the order in which a record
-- speaks for its entity: registry before field, then the smallest id. entity_key is the entity's smallest.
with keyed as (
    select
        enterprise_id,
        case when uscc <> '' then 'u:' || uscc else 'i:' || enterprise_id end as entity,
        row_number() over (order by case when origin = 'registry' then 0 else 1 end, enterprise_id) as enterprise_key
    from stg_enterprises
),
final as (
    select
        enterprise_id, entity,
        cast(enterprise_key as integer) as enterprise_key,
        cast(min(enterprise_key) over (partition by entity) as integer) as entity_key
    from keyed
)
select * from final
