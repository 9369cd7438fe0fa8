// A client in Node, sound unless DEFECT says otherwise: by command (GALEPROOF_OPERATION) or as a driver.
import readline from 'node:readline'

const DEFECT = process.env.DEFECT ?? ''
const MAX_ATTEMPTS = DEFECT === 'no-cap' ? 8 : 3
const RETRIED = new Set([429, 502, 503, 504])
const sleep = ms => new Promise(done => setTimeout(done, ms))

class ApiError extends Error {
  constructor(type, message, effect = 'none') { super(message); this.type = type; this.effect = effect }
}

function pause(attempt, retryAfter) {
  const wait = Math.min(2000, 200 * 2 ** attempt)
  const backoff = DEFECT === 'no-jitter' ? wait : Math.random() * wait
  if (retryAfter === null || DEFECT === 'ignores-retry-after') return backoff
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter.includes('GMT') ? retryAfter : retryAfter + ' GMT') - Date.now()) / 1000
  return Math.max(backoff, 1000 * (Number.isFinite(seconds) ? seconds : 0))
}

export async function call(base, secret, operation, { ref, amount }) {
  const writes = operation === 'create', deadline = Date.now() + 6000
  const headers = { Authorization: `Bearer ${secret}`, 'X-Request-Id': ref }
  if (writes) headers['Content-Type'] = 'application/json'
  let unknown = false
  for (let attempt = 0; ; attempt++) {
    const left = deadline - Date.now()
    if (writes && DEFECT !== 'unkeyed') headers['Idempotency-Key'] = DEFECT === 'new-key' ? crypto.randomUUID() : `key-${ref}-${amount}`
    let failure, retryAfter = null
    try {
      const options = { method: writes ? 'POST' : 'GET', headers }
      if (writes) options.body = JSON.stringify({ reference: ref, amount: Number(amount) })
      if (DEFECT !== 'no-deadline') options.signal = AbortSignal.timeout(Math.max(1, Math.min(1000, left)))
      const answer = await fetch(base + (writes ? '/payments' : `/payments/${ref}`), options)
      const text = await answer.text()
      if (answer.ok) return JSON.parse(text)
      unknown ||= writes && answer.status >= 500
      failure = new ApiError(answer.status === 429 ? 'RateLimited' : 'Refused', `answered ${answer.status}`)
      if (!RETRIED.has(answer.status)) throw Object.assign(failure, unknown && { effect: 'unknown' })
      retryAfter = answer.headers.get('retry-after')
    } catch (error) {
      if (error === failure) throw error
      unknown ||= writes
      failure = new ApiError(error.name === 'TimeoutError' ? 'Timeout' : 'Lost', 'no answer')
    }
    const wait = pause(attempt, retryAfter)
    const late = DEFECT !== 'no-deadline' && Date.now() + wait > deadline
    if (attempt + 1 >= MAX_ATTEMPTS || late || (wait > 5000 && DEFECT !== 'no-cap')) {
      if (unknown) failure.effect = 'unknown'
      if (DEFECT === 'secret-in-error') failure.message += ` with ${JSON.stringify(headers)}`
      throw failure
    }
    await sleep(wait)
  }
}

const told = error => ({ type: error.type ?? error.name, message: error.message, effect: error.effect, dump: String(error.stack) + error.message })
const say = message => process.stdout.write(JSON.stringify(message) + '\n')
const env = process.env

if (env.GALEPROOF_OPERATION) {
  call(env.GALEPROOF_BASE_URL, env.GALEPROOF_SECRET_API_KEY, env.GALEPROOF_OPERATION, { ref: env.GALEPROOF_REF, amount: env.GALEPROOF_AMOUNT })
    .then(say, error => { console.error(error.message); say({ error: told(error) }); process.exitCode = 1 })
} else {
  let open
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const message = JSON.parse(line)
    if (message.open) { open = message.open; say({ ready: { operations: { fetch: 'read', create: 'write' }, library: 'fetch' } }) }
    else if (message.close) process.exit(0)
    else if (message.do) {
      call(open.base_url, open.secrets.api_key, message.do, message.args).then(
        ok => say({ id: message.id, ok }), error => say({ id: message.id, error: told(error) }))
    }
  }
}
