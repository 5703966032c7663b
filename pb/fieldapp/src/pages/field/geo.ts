/** A WGS-84 point in degrees. */
export interface Point { lon: number; lat: number }

/** PocketBase's empty geoPoint is 0,0. */
export const isPoint = (p: Point | undefined | null): p is Point => !!p && (p.lon !== 0 || p.lat !== 0)

const rad = (d: number) => (d * Math.PI) / 180

/** Great-circle distance in metres; the same formula by which the server judges a visit. */
export function metres(a: Point, b: Point): number {
  const h = Math.sin(rad(b.lat - a.lat) / 2) ** 2 + Math.cos(rad(a.lat)) * Math.cos(rad(b.lat)) * Math.sin(rad(b.lon - a.lon) / 2) ** 2
  return 2 * 6371000 * Math.asin(Math.sqrt(Math.min(1, h)))
}

/** 40 米, 1.2 公里. */
export const distanceWord = (m: number): string => (m < 1000 ? `${Math.round(m / 10) * 10} 米` : `${(m / 1000).toFixed(1)} 公里`)

// Chinese maps draw on GCJ-02, the Krasovsky ellipsoid with a published-by-measurement offset. Only links to such maps need it;
// what is stored stays WGS-84.
const axis = 6378245
const ecc = 0.006693421622965943

/** A WGS-84 point as Chinese maps place it; points outside China stay. */
export function gcj02(p: Point): Point {
  if (p.lon < 72.004 || p.lon > 137.8347 || p.lat < 0.8293 || p.lat > 55.8271) return p
  const x = p.lon - 105, y = p.lat - 35, wave = (v: number, k: number) => Math.sin(v * k * Math.PI)
  const shared = (20 * wave(x, 6) + 20 * wave(x, 2)) * 2 / 3
  const north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) + shared
    + (20 * wave(y, 1) + 40 * wave(y, 1 / 3) + 160 * wave(y, 1 / 12) + 320 * wave(y, 1 / 30)) * 2 / 3
  const east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) + shared
    + (20 * wave(x, 1) + 40 * wave(x, 1 / 3) + 150 * wave(x, 1 / 12) + 300 * wave(x, 1 / 30)) * 2 / 3
  const magic = 1 - ecc * Math.sin(rad(p.lat)) ** 2
  return {
    lon: p.lon + east / (rad(1) * axis / Math.sqrt(magic) * Math.cos(rad(p.lat))),
    lat: p.lat + north / (rad(1) * axis * (1 - ecc) / (magic * Math.sqrt(magic))),
  }
}

/** A link that opens a map on the way to a point: any installed map app on Android, 高德 elsewhere. */
export function navigateLink(to: Point, name: string, android: boolean): string {
  const p = gcj02(to)
  const lon = p.lon.toFixed(6), lat = p.lat.toFixed(6), label = encodeURIComponent(name)
  return android ? `geo:${lat},${lon}?q=${lat},${lon}(${label})` : `https://uri.amap.com/navigation?to=${lon},${lat},${label}&coordinate=gaode&callnative=1`
}
