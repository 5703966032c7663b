-- Enterprises as they are now, with the section of GB/T 4754-2017 and, for those that speak for their entity in the
-- universe at D, what is known of their visits. Names are for lists; who may read them is decided where they are shown.
-- order: enterprise_id
with latest as (
    select p.t_key, p.period_key from dim_period p where p.period = 'YTD'
),
divided as (
    select *, case when regexp_full_match(industry, '[0-9]{2,4}') then cast(substr(industry, 1, 2) as integer) end as division
    from stg_enterprises
),
final as (
    select
        e.enterprise_id, e.name, e.uscc, k.enterprise_key, k.entity_key, e.grid_id,
        case when e.kind = '' then 'unknown' else e.kind end as kind,
        case when e.size = '' then 'unknown' else e.size end as size,
        e.industry,
        case
            when regexp_full_match(e.industry, '[A-T]') then e.industry
            when e.division between 1 and 5 then 'A'
            when e.division between 6 and 12 then 'B'
            when e.division between 13 and 43 then 'C'
            when e.division between 44 and 46 then 'D'
            when e.division between 47 and 50 then 'E'
            when e.division between 51 and 52 then 'F'
            when e.division between 53 and 60 then 'G'
            when e.division between 61 and 62 then 'H'
            when e.division between 63 and 65 then 'I'
            when e.division between 66 and 69 then 'J'
            when e.division = 70 then 'K'
            when e.division between 71 and 72 then 'L'
            when e.division between 73 and 75 then 'M'
            when e.division between 76 and 79 then 'N'
            when e.division between 80 and 82 then 'O'
            when e.division = 83 then 'P'
            when e.division between 84 and 85 then 'Q'
            when e.division between 86 and 90 then 'R'
            when e.division between 91 and 96 then 'S'
            when e.division = 97 then 'T'
            else 'unknown'
        end as section,
        e.status, e.registry_status, e.origin,
        u.entity_key is not null as in_universe,
        g.grid_id as universe_grid_id,
        v.last_valid_visit_at,
        coalesce(v.valid_visits, 0) as valid_visits,
        y.entity_key is not null as visited_this_year
    from divided e
    join int_entity k on k.enterprise_id = e.enterprise_id
    cross join latest l
    left join int_universe u on u.t_key = l.t_key and u.enterprise_key = k.enterprise_key
    left join int_grid g on g.grid_key = u.grid_key
    left join int_visited y on y.period_key = l.period_key and y.entity_key = k.entity_key
    left join int_last_visit v on v.entity_key = k.entity_key
)
select * from final
