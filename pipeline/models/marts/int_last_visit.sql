-- The valid visits of each entity up to T of the run, with all that is known now, and the last of them.
with final as (
    select entity_key, count(*) as valid_visits, max(captured_at) as last_valid_visit_at
    from fct_visit
    cross join run
    where valid_now and captured_at < run.ends_at
    group by entity_key
)
select * from final
