import { expect, test } from 'vitest'
import type { Status } from '@/sync/contract'
import { adviceOn, conflictWord, decisionWords, errorWords, pictureWords, progressWords, skewWords, valueWords, waitingWords } from './words'

const now = new Date('2026-11-23T04:00:00Z')
const status = (more: Partial<Status> = {}): Status => ({
  online: true, session: 'ok', syncing: '', elsewhere: false, pending: 0, waiting: 0, rejected: 0, pictures: { total: 0, sent: 0, refused: 0 },
  oldest_pending_at: '', last_success_at: '', last_error: null, next_try_at: '', device: '', device_state: '', epoch: '', downloading: 0, skew: 0, ...more,
})
const nobody = () => ''

test('a clock three days ahead is said to be fast, one ten minutes behind to be slow, and four minutes are let pass', () => {
  expect(skewWords(-3 * 86_400)).toContain('手机时间快了 3 天')
  expect(skewWords(600)).toContain('手机时间慢了 10 分钟')
  expect(skewWords(-240)).toBe('')
})

test('the worker sees how much waits and since when', () => {
  expect(waitingWords(status(), now)).toBe('没有待上报的记录')
  expect(waitingWords(status({ pending: 2, waiting: 1, oldest_pending_at: '2026-11-22 01:30:00.000Z' }), now)).toBe('3 条待上报（其中 1 条等待关联记录），最早一条是昨天 09:30')
  expect(pictureWords({ total: 4, sent: 3, refused: 0 })).toBe('3/4 张照片已上传')
  expect(pictureWords({ total: 4, sent: 2, refused: 1 })).toBe('2/4 张照片已上传，1 张被退回')
})

test('what goes on, or when it goes on, is said in one line', () => {
  expect(progressWords(status({ syncing: 'push', pending: 12 }), now)).toBe('正在上报，还有 12 条')
  expect(progressWords(status({ syncing: 'pictures', pictures: { total: 4, sent: 1, refused: 0 } }), now)).toBe('正在上传照片，1/4 张')
  expect(progressWords(status({ syncing: 'pull', downloading: 2000 }), now)).toBe('正在下载，已收到 2000 条')
  expect(progressWords(status({ elsewhere: true }), now)).toBe('另一个页面正在上报')
  expect(progressWords(status({ online: false, pending: 1 }), now)).toBe('没有网络，联网后自动上报')
  const failed = { code: 'internal', message: '', at: '' }
  expect(progressWords(status({ last_error: failed, next_try_at: '2026-11-23 04:02:00.000Z' }), now)).toBe('2 分钟后自动再试')
  expect(progressWords(status({ last_error: failed, next_try_at: '2026-11-23 03:59:00.000Z' }), now)).toBe('马上再试')
})

test('both sides of a conflict are told in the words of the form', () => {
  expect(valueWords('visits', 'outcome', 'met', nobody)).toBe('见到经营者')
  expect(valueWords('enterprises', 'special_groups', ['veteran', 'graduate'], nobody)).toBe('复员转业退役军人、高校毕业生')
  expect(valueWords('enterprises', 'revenue', 125000, nobody)).toBe('12.50万元')
  expect(valueWords('enterprises', 'phone', '', nobody)).toBe('（空）')
  expect(valueWords('visits', 'handbook_left', false, nobody)).toBe('否')
  expect(valueWords('visits', 'policies', ['p', 'q'], (_, id) => (id === 'p' ? '再贷款政策' : ''))).toBe('再贷款政策、（不在本机）')
  expect(valueWords('enterprises', 'location', { lon: 108.4, lat: 30.8 }, nobody)).toBe('东经 108.40000，北纬 30.80000')
})

test('a refusal names the field by its label, and says what to do where no field can be mended', () => {
  expect(errorWords('demand_events', { amount: { code: 'amount_needed', message: '请填写金额' }, _: { code: 'out_of_scope', message: '这条记录不在你负责的范围内' } }))
    .toEqual(['金额（元）：请填写金额', '这条记录不在你负责的范围内'])
  expect(adviceOn({ to_stage: { code: 'stage_not_allowed', message: '' } })).toContain('放弃')
  expect(adviceOn({ amount: { code: 'amount_needed', message: '' } })).toBe('')
})

test('what the office decided is said with its reason', () => {
  expect(decisionWords({ resolution: 'drop', note: '重复走访' })).toBe('已作废：重复走访')
  expect(['replay', 'take_theirs', 'take_ours', ''].map(resolution => decisionWords({ resolution, note: '' }))).toEqual(['已由管理员补录', '采用对方值', '采用上报值', '管理员已处理'])
  expect([conflictWord('visits', '_'), conflictWord('visits', 'outcome')]).toEqual(['没有删除：别人改过这条记录', '走访结果'])
})
