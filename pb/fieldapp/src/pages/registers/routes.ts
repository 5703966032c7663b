import type { RouteRecordRaw } from 'vue-router'

// One page serves every register: from record to record it begins anew.
const meta = { anew: true }

/** The registers of the notice. */
export const routes: RouteRecordRaw[] = [
  { path: '/registers', name: 'registers', component: () => import('./RegistersPage.vue') },
  { path: '/registers/duty_rosters/week', name: 'duty-week', component: () => import('./DutyWeekPage.vue') },
  { path: '/registers/:collection', name: 'register', component: () => import('./ListPage.vue'), props: true, meta },
  { path: '/registers/:collection/new', name: 'register-new', component: () => import('./FormPage.vue'), props: true, meta },
  { path: '/registers/:collection/:id', name: 'register-record', component: () => import('./DetailPage.vue'), props: true, meta },
  { path: '/registers/:collection/:id/edit', name: 'register-edit', component: () => import('./FormPage.vue'), props: true, meta },
]
