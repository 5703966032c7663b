// One RxDB collection beside one of ours, by the protocol page alone. Not here, for a test needs none of it: keeping what is in
// flight over a reload, and sending again after a restore.
import { replicateRxCollection } from 'rxdb/plugins/replication'

// outside({ collection, call, device, newId }) → { replicate(), refused }. call(path, body) answers the parsed JSON or throws.
// Documents carry the record's rev beside its fields. refused collects mutations that need a person.
export function outside({ collection, call, device, newId }) {
	const served = new Map() // id → what the last pull said of it
	const refused = []
	let flight = null // sent and not answered
	// RxDB passes over a pulled document that has unsent changes, so the first pull begun after their answer hands it over again.
	let answered = new Set()

	async function pull(checkpoint) {
		const again = answered
		let cursor = checkpoint?.cursor ?? null, brought = cursor ? null : new Set(), documents = new Map(), page
		do {
			page = await call('pull', { protocol: 1, device, cursor, collections: [collection.name] })
			cursor = page.cursor
			if (page.reset) { brought = new Set(); documents = new Map() }
			for (const change of page.changes) {
				const doc = change.op === 'remove' ? { id: change.id, _deleted: true } : { ...change.record, rev: change.rev, _deleted: false }
				documents.set(doc.id, doc)
				doc._deleted ? brought?.delete(doc.id) : brought?.add(doc.id)
			}
		} while (page.more)
		if (brought) { // a full download: what it did not bring is forgotten, what was never pulled stays in the outbox
			for (const doc of await collection.find().exec()) {
				if (doc.get('rev') && !brought.has(doc.id)) documents.set(doc.id, { id: doc.id, _deleted: true })
			}
		}
		for (const doc of documents.values()) served.set(doc.id, doc)
		for (const id of again) if (served.has(id)) documents.set(id, served.get(id))
		if (again === answered) answered = new Set()
		return { checkpoint: { cursor }, documents: [...documents.values()] }
	}

	async function push(rows) {
		const key = JSON.stringify(rows)
		if (flight && flight.key !== key) await send() // RxDB came back with other rows: what was under way goes first
		flight ??= { key, todo: rows.map(row => ({ ...row, mutation: mutationOf(row) })).filter(row => row.mutation) }
		return send()
	}

	async function send() { // the very same until it is answered
		const { todo } = flight, mutations = todo.map(row => row.mutation)
		const { results } = todo.length ? await call('push', { protocol: 1, device, sent_at: new Date().toISOString(), pending: todo.length, mutations }) : { results: [] }
		flight = null
		answered = new Set([...answered, ...mutations.map(m => m.record)])
		return todo.map((row, i) => masterOf(row, results[i])).filter(doc => doc)
	}

	function mutationOf({ assumedMasterState: from, newDocumentState: to }) {
		const head = { id: newId(), collection: collection.name, record: to.id, captured_at: new Date().toISOString() }
		if (to._deleted) return from && { ...head, op: 'delete', rev: from.rev ?? 0 }
		const changed = Object.keys(to).filter(name => !['id', 'rev', '_deleted'].includes(name) && JSON.stringify(to[name]) !== JSON.stringify(from?.[name]))
		if (!from) return { ...head, op: 'create', data: Object.fromEntries(changed.map(name => [name, to[name]])) }
		return changed.length > 0 && { ...head, op: 'update', changes: Object.fromEntries(changed.map(name => [name, { from: from[name] ?? null, to: to[name] }])) }
	}

	// masterOf is what RxDB takes in place of what it pushed.
	function masterOf({ assumedMasterState: from, newDocumentState: to, mutation }, { status, errors, conflicts }) {
		if (status === 'rejected') refused.push({ ...mutation, errors })
		if (status === 'rejected' || (status === 'conflict' && to._deleted)) return from ?? { id: to.id, _deleted: true }
		if (status === 'conflict') return Object.assign({ ...to }, ...Object.entries(conflicts).map(([name, c]) => ({ [name]: c.theirs ?? from[name] })))
		return null // applied, or waiting: RxDB's own copy stands until the server's is pulled
	}

	// replicate brings both sides together once and ends.
	const replicate = () => replicateRxCollection({
		collection, replicationIdentifier: 'gangwan', live: false, retryTime: 1, waitForLeadership: false, pull: { handler: pull }, push: { handler: push },
	}).awaitInitialReplication()
	return { replicate, refused }
}
