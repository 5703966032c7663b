-- District and streets: the levels for which breakdowns are kept.
with final as (
    select grid_key, org_kind, org_id from int_grid_org where org_kind in ('district', 'street')
)
select * from final
