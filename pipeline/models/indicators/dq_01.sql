-- code: DQ-01  name: sync_timeliness_rate  label: 同步及时率  unit: percent  grain: worker, month  report: quality
-- definition: 分子：采集后24小时（含）内上报到服务器的记录数。
-- definition: 分母：当月由设备采集的走访、照片、融资需求、融资对接、对接事项记录数。
-- definition: 窗口：月，按采集时间。
-- definition: 归属：采集设备的使用人；全区含设备已不在册的记录。
-- definition: 封账：次月5日24:00后封账，只计此前上报的记录。
with months as (
    select * from dim_period where period = 'M'
),
records as (
    select device_id, captured_at, synced_at from stg_visits
    union all
    select device_id, captured_at, synced_at from stg_photos
    union all
    select device_id, captured_at, synced_at from stg_demands
    union all
    select device_id, captured_at, synced_at from stg_demand_matches
    union all
    select device_id, captured_at, synced_at from stg_demand_events
),
captured as (
    select device_id, captured_at, coalesce(synced_at, timestamp '9999-01-01') as received_at,
        date_trunc('month', captured_at + interval 8 hour)::date as month
    from records
    where device_id <> '' and captured_at is not null
),
by_device as (
    select m.period_key, c.device_id, count(*) filter (where c.received_at <= c.captured_at + interval 24 hour) as numerator, count(*) as denominator
    from months m
    join captured c on c.month = m.period_start
    where c.captured_at < m.t_at and c.received_at < m.cut_at
    group by m.period_key, c.device_id
),
by_org as (
    select b.period_key, 'worker' as org_kind, d.user_id as org_id, sum(b.numerator) as numerator, sum(b.denominator) as denominator
    from by_device b
    join stg_devices d on d.device_id = b.device_id
    where d.user_id <> ''
    group by b.period_key, d.user_id
    union all
    select period_key, 'all', '', sum(numerator), sum(denominator)
    from by_device
    group by period_key
),
final as (
    select m.period, m.period_start, b.org_kind, b.org_id, b.numerator, b.denominator, m.status
    from months m
    join by_org b on b.period_key = m.period_key and b.org_kind = 'worker'
    union all
    select m.period, m.period_start, 'district', d.district_id, coalesce(b.numerator, 0), coalesce(b.denominator, 0), m.status
    from months m
    cross join int_district d
    left join by_org b on b.period_key = m.period_key and b.org_kind = 'all'
)
select * from final
