-- CRD-01: the demands that count in each month and in the year, duplicates out. In a chain a demand is kept when it comes
-- more than 30 days after the last kept one. That is a walk, so: for each demand the next one that would be kept after it
-- (a window), then from the first of each chain along those pointers (the recursion: as many steps as the longest chain).
-- A late arrival can change what a frozen month keeps: chains with one are walked again under that month's cut.
with recursive periods as (
    select period_key, period, period_start, start_at, t_at, frozen, cut_at from dim_period where period in ('M', 'YTD')
),
chained as (
    select demand_id, chain, captured_at, received_at from fct_demand
    where countable and chain is not null and captured_at is not null
),
late as (
    select distinct p.period_key, c.chain
    from periods p
    join chained c on c.captured_at < p.t_at and c.received_at >= p.cut_at
    where p.frozen
),
walks as (
    select 0 as walk, demand_id, chain, captured_at from chained
    union all
    select l.period_key, c.demand_id, c.chain, c.captured_at
    from late l
    join periods p on p.period_key = l.period_key
    join chained c on c.chain = l.chain and c.captured_at < p.t_at and c.received_at < p.cut_at
),
placed as (
    select walk, chain, demand_id, epoch_ms(captured_at) as ms,
        row_number() over (partition by walk, chain order by captured_at, demand_id) as place
    from walks
),
steps as (
    select walk, chain, demand_id, place,
        -- 30 days are 2,592,000,000 ms; exactly 30 days is still a duplicate.
        min(place) over (partition by walk, chain order by ms range between 2592000001 following and unbounded following) as next_place
    from placed
),
kept as (
    select walk, chain, demand_id, next_place from steps where place = 1
    union all
    select s.walk, s.chain, s.demand_id, s.next_place
    from kept k
    join steps s on s.walk = k.walk and s.chain = k.chain and s.place = k.next_place
),
in_period as (
    select p.period_key, d.demand_id, d.chain, case when l.chain is null then 0 else p.period_key end as walk
    from periods p
    join fct_demand d on d.captured_at >= p.start_at and d.captured_at < p.t_at and d.received_at < p.cut_at
    left join late l on l.period_key = p.period_key and l.chain = d.chain
    where d.countable
),
final as (
    select i.period_key, i.demand_id
    from in_period i
    left join kept k on k.walk = i.walk and k.demand_id = i.demand_id
    where i.chain is null or k.demand_id is not null
)
select * from final
