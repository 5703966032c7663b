-- Who captures records, without names: the street for jurisdiction is all a figure needs.
-- order: worker_id
with final as (
    select user_id as worker_id, street_id, role from stg_users
)
select * from final
