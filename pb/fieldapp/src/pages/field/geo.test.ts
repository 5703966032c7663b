import { expect, test } from 'vitest'
import { distanceWord, gcj02, isPoint, metres, navigateLink } from './geo'

test('两点距离与服务器判定走访所用的公式一致', () => {
  expect(metres({ lon: 108.4, lat: 30.8 }, { lon: 108.4, lat: 30.801 })).toBeCloseTo(111.19, 1)
  expect(metres({ lon: 108.4, lat: 30.8 }, { lon: 108.401, lat: 30.8 })).toBeCloseTo(95.51, 1)
})

test('导航链接用国内地图的坐标，保存的坐标不变', () => {
  const p = gcj02({ lon: 116.404, lat: 39.915 })
  expect(p.lon).toBeCloseTo(116.41024449916938, 9)
  expect(p.lat).toBeCloseTo(39.91640428150164, 9)
  expect(navigateLink({ lon: 116.404, lat: 39.915 }, '面馆', false)).toBe('https://uri.amap.com/navigation?to=116.410244,39.916404,%E9%9D%A2%E9%A6%86&coordinate=gaode&callnative=1')
  expect(navigateLink({ lon: 116.404, lat: 39.915 }, '面馆', true)).toMatch(/^geo:39\.916404,116\.410244\?q=/)
})

test('国境以外的点不偏移', () => {
  expect(gcj02({ lon: 2.35, lat: 48.85 })).toEqual({ lon: 2.35, lat: 48.85 })
})

test('零坐标是没有位置', () => {
  expect(isPoint({ lon: 0, lat: 0 })).toBe(false)
  expect(isPoint(undefined)).toBe(false)
  expect(isPoint({ lon: 108, lat: 0 })).toBe(true)
})

test('距离用人话说', () => {
  expect(distanceWord(343)).toBe('340 米')
  expect(distanceWord(1249)).toBe('1.2 公里')
})
