// The driver protocol for a client in Node: a module hands over its two calls, each as its library comes.
import readline from 'node:readline'
import { inspect } from 'node:util'

const say = message => process.stdout.write(JSON.stringify(message) + '\n')

export async function serve(library, make) {
  let calls
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const message = JSON.parse(line)
    if (message.open) {
      calls = make(message.open.base_url, { Authorization: `Bearer ${message.open.secrets.api_key}` })
      say({ ready: { operations: { fetch: 'read', create: 'write' }, library } })
    } else if (message.close) {
      process.exit(0)
    } else if (message.do) {
      calls[message.do](message.args).then(
        ok => say({ id: message.id, ok }),
        // what console.error prints of it
        error => say({ id: message.id, error: { type: error.name, message: error.message, dump: inspect(error) } }))
    }
  }
}
