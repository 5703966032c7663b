import type { RouteRecordRaw } from 'vue-router'

/** The demand desk and the bank's loans. */
export const routes: RouteRecordRaw[] = [
  { path: '/demands', name: 'demands', component: () => import('./DemandsPage.vue') },
  { path: '/demands/:id', name: 'demand', component: () => import('./DemandPage.vue'), props: true },
  { path: '/loans', name: 'loans', component: () => import('./LoansPage.vue'), meta: { office: true } },
]
