import axios from 'axios'
import axiosRetry from 'axios-retry'
import { serve } from './driver.mjs'

serve('axios-retry', (baseURL, headers) => {
  const client = axios.create({ baseURL, headers })
  axiosRetry(client)
  return {
    fetch: async ({ ref }) => (await client.get(`/payments/${ref}`)).data,
    create: async ({ ref, amount }) => (await client.post(`/payments/${ref}`, { amount })).data
  }
})
