import got from 'got'
import { serve } from './driver.mjs'

serve('got', (base, headers) => {
  const client = got.extend({ prefixUrl: base, headers })
  return {
    fetch: ({ ref }) => client.get(`payments/${ref}`).json(),
    create: ({ ref, amount }) => client.post(`payments/${ref}`, { json: { amount } }).json()
  }
})
