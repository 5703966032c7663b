-- order: bank_id
with final as (
    select bank_id, name, short_name, kind from stg_banks
)
select * from final
