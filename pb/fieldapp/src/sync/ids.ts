/**
 * Makes an id: UUIDv7 (RFC 9562 §5.7) as 32 lower-case hex digits, the form in which devices name records and mutations.
 * @param random ten random bytes
 */
export function newId(now: Date, random: Uint8Array): string {
  const b = new Uint8Array(16)
  b.set(random.subarray(0, 10), 6)
  let ms = now.getTime()
  for (let i = 5; i >= 0; i--) {
    b[i] = ms % 256
    ms = Math.floor(ms / 256)
  }
  b[6] = b[6] & 0x0f | 0x70
  b[8] = b[8] & 0x3f | 0x80
  return hex(b)
}

/** Bytes as lower-case hex digits. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('')
}

/** FNV-1a of 32 bits over the text's UTF-8 bytes, unsigned: what digests are made of. */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5
  for (const b of new TextEncoder().encode(text)) h = Math.imul(h ^ b, 0x01000193)
  return h >>> 0
}

/** A time in PocketBase's form, UTC. */
export function stored(t: Date): string {
  return t.toISOString().replace('T', ' ')
}

/** A time as RFC 3339 with the phone's own zone: the server keeps the offset beside the captured record. */
export function capturedAt(t: Date): string {
  const offset = -t.getTimezoneOffset(), size = Math.abs(offset)
  const two = (n: number) => String(n).padStart(2, '0')
  return new Date(t.getTime() + offset * 60_000).toISOString().replace('Z', `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`)
}

/** SHA-256 as hex; `digest` is the platform's, missing where the page is no secure context. */
export async function sha256(bytes: ArrayBuffer, digest?: (bytes: ArrayBuffer) => Promise<ArrayBuffer>): Promise<string> {
  return hex(digest ? new Uint8Array(await digest(bytes)) : sha256Slow(new Uint8Array(bytes)))
}

// FIPS 180-4: the constants are the fractions of the cube and square roots of the first primes.
const primes = (() => {
  const found: number[] = []
  for (let n = 2; found.length < 64; n++) if (found.every(p => n % p)) found.push(n)
  return found
})()
const fraction = (x: number) => (x - Math.floor(x)) * 2 ** 32 >>> 0
const roots = primes.map(p => fraction(Math.cbrt(p)))
const start = primes.slice(0, 8).map(p => fraction(Math.sqrt(p)))
const turn = (x: number, n: number) => x >>> n | x << 32 - n

function sha256Slow(data: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64)
  padded.set(data)
  padded[data.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(data.length / 2 ** 29))
  view.setUint32(padded.length - 4, data.length << 3)
  const state = Uint32Array.from(start), w = new Uint32Array(64)
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i)
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2]
      w[i] = w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >>> 3) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ y >>> 10)
    }
    let [a, b, c, d, e, f, g, h] = state
    for (let i = 0; i < 64; i++) {
      const t1 = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + roots[i] + w[i]
      const t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c)
      ;[h, g, f, e, d, c, b, a] = [g, f, e, d + t1 | 0, c, b, a, t1 + t2 | 0]
    }
    ;[a, b, c, d, e, f, g, h].forEach((x, i) => { state[i] += x })
  }
  const out = new DataView(new ArrayBuffer(32))
  state.forEach((x, i) => out.setUint32(4 * i, x))
  return new Uint8Array(out.buffer)
}
