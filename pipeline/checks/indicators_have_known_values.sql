-- severity: block
-- message: 指标表里有目录之外的指标、期间、单位类别或状态，或负数
select i.*
from indicators i
left join catalogue c on c.code = i.indicator and c.version = i.version
where c.code is null
    or i.period not in ('M', 'Q', 'YTD', 'R365', 'CUM')
    or i.org_kind not in ('grid', 'community', 'street', 'district', 'worker', 'bank', 'harbour')
    or i.status not in ('暂定', '封账')
    or i.numerator < 0 or i.denominator < 0
