import { expect, test } from 'vitest'
import { skewWord } from './skew'

test('手机时间快慢用人话说', () => {
  expect(skewWord(-3 * 86_400)).toBe('手机时间快了 3 天')
  expect(skewWord(7200)).toBe('手机时间慢了 2 小时')
  expect(skewWord(-400)).toBe('手机时间快了 7 分钟')
})
