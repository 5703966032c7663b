// Two phones in one process, each with an RxDB of its own, over a network that loses requests and answers. outside_test.go writes one command
// a line and reads one answer a line; the first line is what a phone knows before it begins.
import readline from 'node:readline'
import { createRxDatabase } from 'rxdb'
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'
import { outside } from './adapter.mjs'

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const config = JSON.parse((await lines.next()).value)

// Seeded, so that a failure can be replayed (mulberry32).
let state = config.seed
function random() {
	state = (state + 0x6d2b79f5) | 0
	let t = Math.imul(state ^ (state >>> 15), 1 | state)
	t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
	return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const hex = n => Array.from({ length: n }, () => Math.floor(random() * 16).toString(16)).join('')
const newId = () => Date.now().toString(16).padStart(12, '0') + '7' + hex(3) + '8' + hex(15)

let lost = 0
function caller(token) {
	return async (path, body) => {
		if (random() < 0.25) { lost++; throw new Error('the request was lost') }
		const response = await fetch(config.url + '/api/sync/' + path, {
			method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: token }, body: JSON.stringify(body),
		})
		const answer = await response.json()
		if (!response.ok) throw new Error(path + ': ' + response.status + ' ' + JSON.stringify(answer))
		if (random() < 0.25) { lost++; throw new Error('the answer was lost') }
		return answer
	}
}

const phones = {}
for (const [name, token] of Object.entries(config.phones)) {
	const db = await createRxDatabase({ name, storage: getRxStorageMemory(), multiInstance: false })
	const device = newId(), call = caller(token), phone = { db, sides: {} }
	for (const [collection, fields] of Object.entries(config.collections)) {
		const properties = Object.fromEntries(fields.map(f => [f, {}]))
		Object.assign(properties, { id: { type: 'string', maxLength: 32 }, rev: { type: 'integer' } })
		await db.addCollections({ [collection]: { schema: { version: 0, primaryKey: 'id', type: 'object', properties } } })
		phone.sides[collection] = outside({ collection: db[collection], call, device, newId })
	}
	phones[name] = phone
}

const commands = {
	create: async ({ phone, collection, data }) => (await phones[phone].db[collection].insert({ id: newId(), ...data })).id,
	update: async ({ phone, collection, id, data }) => { await (await phones[phone].db[collection].findOne(id).exec()).incrementalPatch(data) },
	remove: async ({ phone, collection, id }) => { await (await phones[phone].db[collection].findOne(id).exec()).remove() },
	// All phones at once, and all their collections.
	sync: async () => { await Promise.all(Object.values(phones).flatMap(p => Object.values(p.sides).map(side => side.replicate()))) },
	dump: async ({ phone, collection }) => (await phones[phone].db[collection].find().exec()).map(doc => doc.toJSON()),
	refused: async ({ phone }) => Object.values(phones[phone].sides).flatMap(side => side.refused),
	lost: async () => lost,
}
for await (const line of lines) {
	const command = JSON.parse(line)
	try {
		console.log(JSON.stringify({ ok: (await commands[command.do](command)) ?? null }))
	} catch (error) {
		console.log(JSON.stringify({ error: String(error?.stack ?? error).slice(0, 2000) }))
	}
}
process.exit(0)
