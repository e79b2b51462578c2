import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase } from '../src/db/pool.ts'
import { newId } from '../src/ids.ts'
import { defaultLimits } from '../src/limit.ts'
import { type Meter, openMeter } from '../src/limits/meter.ts'
import { findLevels } from '../src/limits/store.ts'
import type { Http, Principal } from '../src/operation.ts'
import { openProxy, type Proxy } from './faults/proxy.ts'
import { until } from './patience.ts'
import { freshDatabase } from './service.ts'

// Shares of limits that a process has no use for, while the database is away.

let direct: ReturnType<typeof openDatabase>
let proxy: Proxy
beforeAll(async () => {
  const connection = await freshDatabase()
  proxy = await openProxy(connection)
  direct = openDatabase(connection, () => undefined)
})
afterAll(async () => {
  await direct.close()
  await proxy.close()
})

// What is used does not come back, so that nothing depends on how fast this machine is.
const limits = { ...defaultLimits, leads: { most: 2_000, perSecond: 0.000_1 } }
const http = { announce: () => undefined } as unknown as Http
const nobody = () => ({ dealerId: newId(), subject: { type: 'api_key', id: newId() } }) as Principal
const usedOf = async ({ dealerId, subject }: Principal) => {
  const [level] = await findLevels(direct.db, dealerId, subject.id, { leads: limits.leads })
  return Math.round(level?.used ?? 0)
}
const useLeads = async (meter: Meter, principal: Principal, leads: number) => {
  for (let count = 0; count < leads; count++) await meter.use(principal, http, { leads: 1 })
}

/** A meter whose way to the database leads through the proxy; its connections are kept when it is closed. */
async function metered(work: (meter: Meter, cutOff: () => Promise<void>) => Promise<void>) {
  const through = openDatabase(proxy.connection, () => undefined)
  const meter = openMeter(
    through.hot,
    async () => ({ scopes: new Set(), environment: 'live' }),
    limits,
    () => undefined,
  )
  const cutOff = async () => {
    proxy.refuse(true)
    await direct.db.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and query like '%take_shares%'`,
    )
    await until(() => through.hot.totalCount === 0)
  }
  try {
    await work(meter, cutOff)
  } finally {
    proxy.refuse(false)
    await through.close()
  }
}

it('are kept until it is back, and then go back', async () => {
  await metered(async (meter, cutOff) => {
    const principals = [nobody(), nobody()] as const
    for (const principal of principals) await useLeads(meter, principal, 3)
    for (const principal of principals) expect(await usedOf(principal)).toBeGreaterThan(3)
    await cutOff()
    await expect(meter.stop()).rejects.toThrow()
    // What is left is used without the database, as before.
    await useLeads(meter, principals[0], 1)
    await expect(meter.stop()).rejects.toThrow()
    proxy.refuse(false)
    await meter.stop()
    expect([await usedOf(principals[0]), await usedOf(principals[1])]).toEqual([4, 3])
  })
})

it('go back once', async () => {
  await metered(async (meter) => {
    const principal = nobody()
    await useLeads(meter, principal, 3)
    await meter.stop()
    await meter.stop()
    expect(await usedOf(principal)).toBe(3)
  })
})

it('are given up where nobody knows whether they went back', async () => {
  await metered(async (meter) => {
    const principal = nobody()
    await useLeads(meter, principal, 3)
    const set = await usedOf(principal)
    proxy.blackHole()
    await expect(meter.stop()).rejects.toThrow()
    await meter.stop()
    expect(await usedOf(principal)).toBe(set)
  })
})
