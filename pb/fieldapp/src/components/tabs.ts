import type { User } from '@/sync'

export interface Tab { to: string; label: string; icon: string; test: string }

const all = {
  today: { to: '/today', label: '今日', icon: 'notes-o', test: 'tab-today' },
  find: { to: '/find', label: '查找', icon: 'search', test: 'tab-find' },
  demands: { to: '/demands', label: '需求', icon: 'balance-list-o', test: 'tab-demands' },
  loans: { to: '/loans', label: '贷款', icon: 'gold-coin-o', test: 'tab-loans' },
  registers: { to: '/registers', label: '业务', icon: 'apps-o', test: 'tab-registers' },
  sync: { to: '/sync', label: '上报', icon: 'upgrade', test: 'tab-sync' },
  me: { to: '/me', label: '我的', icon: 'user-o', test: 'tab-me' },
} satisfies Record<string, Tab>

/** The pages that a role starts from, in the order of its day. */
export function tabsOf(role: User['role']): Tab[] {
  if (role === 'bank') return [all.demands, all.loans, all.registers, all.sync, all.me]
  if (role === 'harbour_staff' || role === 'harbour_head') return [all.demands, all.find, all.registers, all.sync, all.me]
  if (role === 'grid_worker' || role === 'liaison') return [all.today, all.find, all.registers, all.sync, all.me]
  return [all.registers, all.sync, all.me]
}

/** Where a role's day starts. */
export const homeOf = (role: User['role']): string => tabsOf(role)[0].to
