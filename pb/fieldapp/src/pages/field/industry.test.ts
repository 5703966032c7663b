import { expect, it } from 'vitest'
import { industryName } from './industry'

it('an industry is told by its name, as the register prints its code', () => {
  for (const [code, name] of [['6210', '餐饮业（住宿和餐饮业）'], ['52', '零售业（批发和零售业）'], ['f52 １2', '零售业（批发和零售业）'], ['C', '制造业'], ['83', '教育'], ['97', '国际组织'], ['01', '农业（农、林、牧、渔业）']]) {
    expect([code, industryName(code!)]).toEqual([code, name])
  }
  for (const code of ['', '98', '5', '餐饮', 'U', '00', '62100']) expect([code, industryName(code)]).toEqual([code, ''])
})
