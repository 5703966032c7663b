import { expect, it } from 'vitest'
import { unfold } from './unfold'

it('a form comes as one line, each of its fields as another', () => {
  const { shops } = unfold('\n#shops|店铺|grid_worker liaison\nname|名称|text|!||80||||||如招牌\nrate|费率|number|#=|0|36.5|||-|kind a b\nbank|银行|relations||||banks|bank|bank\nkind|类别|one||||||||a 甲 类;b 乙')
  expect(shops!.writers).toEqual(['grid_worker', 'liaison'])
  expect(JSON.parse(JSON.stringify(shops!.fields))).toMatchObject([
    { name: 'name', label: '名称', kind: 'text', required: true, max: 80, help: '如招牌', writers: ['grid_worker', 'liaison'] },
    { name: 'rate', whole: true, fixed: true, required: false, min: 0, max: 36.5, writers: [], showIf: { field: 'kind', in: ['a', 'b'] } },
    { name: 'bank', kind: 'relations', to: 'banks', fill: 'bank', writers: ['bank'] },
    { name: 'kind', kind: 'one', options: [['a', '甲 类'], ['b', '乙']] },
  ])
})
