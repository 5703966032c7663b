-- Matches of each month at each bank: fallen due or not, answered in time or not, and the minutes to the first contact.
with matches as (
    select c.period_key, c.cut_at, least(run.ends_at, c.cut_at) as known_until, m.match_id, m.bank_id, m.matched_at
    from int_maturing c
    join fct_match m on m.month = c.period_start
    cross join run
    where c.waits_for = 'contact' and m.in_cohort and m.bank_id <> '' and m.matched_at < c.t_at and m.received_at < c.cut_at
),
first_contacts as (
    select m.period_key, m.match_id, min(e.happened_at) as contact_at
    from matches m
    join int_contact e on e.match_id = m.match_id and e.happened_at < m.known_until and e.received_at < m.cut_at
    group by m.period_key, m.match_id
),
final as (
    select m.period_key, m.match_id, m.bank_id,
        d.due_at <= m.known_until as due,
        d.due_at <= m.known_until and coalesce(f.contact_at < d.due_at, false) as in_time,
        -- greatest() passes over nulls: without a contact there are no minutes, not 0.
        case when f.contact_at is not null then greatest(epoch_ms(f.contact_at) - epoch_ms(m.matched_at), 0) // 60000 end as minutes
    from matches m
    join int_due d on d.match_id = m.match_id
    left join first_contacts f on f.period_key = m.period_key and f.match_id = m.match_id
)
select * from final
