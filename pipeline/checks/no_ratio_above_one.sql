-- severity: block
-- message: 有比率超过 100%，或分子大于分母
select * from indicators where numerator > denominator or (denominator is not null and value > 1)
