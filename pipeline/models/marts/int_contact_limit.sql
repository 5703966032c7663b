-- How many working days a bank has to reach the enterprise, by the instant from which a number holds: parameters overlap,
-- so at every instant where one begins or ends the winner is looked up anew. No readable parameter is 3 days.
with limits as (
    select parameter_id, from_at, until_at,
        case when regexp_full_match(trim(value), '[0-9]{1,3}') and cast(trim(value) as integer) between 1 and 366 then cast(trim(value) as integer) else 3 end as working_days
    from stg_parameters
    where code = 'sla.contact_days'
),
instants as (
    select timestamp '0001-01-01' as since_at
    union
    select from_at from limits where from_at is not null
    union
    select until_at from limits where until_at is not null
),
ranked as (
    select i.since_at, l.working_days,
        row_number() over (partition by i.since_at order by l.from_at desc nulls last, l.parameter_id) as place
    from instants i
    left join limits l on (l.from_at is null or l.from_at <= i.since_at) and (l.until_at is null or l.until_at > i.since_at)
),
final as (
    select since_at, coalesce(working_days, 3) as working_days from ranked where place = 1
)
select * from final
