import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { showToast } from 'vant'
import 'vant/es/toast/style'
import { homeOf } from '@/components/tabs'
import { routes as demandRoutes } from '@/pages/demands/routes'
import { routes as registerRoutes } from '@/pages/registers/routes'
import { routes as syncRoutes } from '@/pages/sync/routes'
import { session, useClient } from '@/store/app'
import Today from '@/pages/field/TodayPage.vue'

const own: RouteRecordRaw[] = [
  { path: '/', name: 'home', component: Today, beforeEnter: async () => homeOf((await session.resume())!.user.role) },
  { path: '/sign-in', name: 'sign-in', component: () => import('@/pages/account/SignInPage.vue'), meta: { open: true } },
  { path: '/password', name: 'password', component: () => import('@/pages/account/PasswordPage.vue') },
  { path: '/me', name: 'me', component: () => import('@/pages/account/MePage.vue') },
  { path: '/me/check', name: 'check', component: () => import('@/pages/account/CheckPage.vue') },
  { path: '/today', name: 'today', component: Today },
  { path: '/find', name: 'find', component: () => import('@/pages/field/FindPage.vue') },
  { path: '/drafts', name: 'drafts', component: () => import('@/pages/field/DraftsPage.vue') },
  { path: '/enterprises/new', name: 'enterprise-new', component: () => import('@/pages/field/EnterpriseNewPage.vue') },
  { path: '/enterprises/:id', name: 'enterprise', component: () => import('@/pages/field/EnterprisePage.vue'), props: true },
  { path: '/enterprises/:id/edit', name: 'enterprise-edit', component: () => import('@/pages/field/EnterpriseEditPage.vue'), props: true },
  { path: '/enterprises/:id/visit', name: 'visit-new', component: () => import('@/pages/field/VisitFormPage.vue'), props: true },
  { path: '/visits/:id', name: 'visit', component: () => import('@/pages/field/VisitPage.vue'), props: true },
  { path: '/demand-form', name: 'demand-new', component: () => import('@/pages/field/DemandFormPage.vue') },
]

export const router = createRouter({
  history: createWebHistory(),
  routes: [...own, ...demandRoutes, ...registerRoutes, ...syncRoutes, { path: '/:rest(.*)', redirect: '/' }],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach(async to => {
  if (to.meta.open) return true
  let client
  try {
    client = await session.resume()
  } catch {
    return { path: '/sign-in', query: { fault: 'storage' } }
  }
  return client ? true : { path: '/sign-in', query: to.fullPath === '/' ? {} : { to: to.fullPath } }
})

// A page's code that cannot be had: without a network it is said; after an update the page is asked for anew.
router.onError((_error, to, from) => {
  if (navigator.onLine && from.matched.length) location.assign(to.fullPath)
  else showToast('这一页还没有下载到手机，连网后再打开')
})

/** Fetches the code of every page that the user's role has while the phone is idle, so that they open without a network even where no service worker runs. */
export async function fetchPages(): Promise<void> {
  const desk = session.signedIn.value && ['bank', 'department', 'official'].includes(useClient().user.role)
  for (const r of router.getRoutes()) {
    const page = r.components?.default
    if (typeof page === 'function' && (desk || !r.meta.office)) await (page as () => Promise<unknown>)().catch(() => undefined)
  }
}
