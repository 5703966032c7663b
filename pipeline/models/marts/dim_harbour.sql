-- order: harbour_id
with final as (
    select h.harbour_id, h.number, h.name, h.kind, h.host_bank_id, h.area_id, coalesce(a.street_id, '') as street_id, h.status
    from stg_harbours h
    left join dim_area a on a.area_id = h.area_id
)
select * from final
