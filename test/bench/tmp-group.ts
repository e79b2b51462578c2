import pg from 'pg'
import { openPlace } from './world.ts'
import { stopwatch } from './harness.ts'
import { newId } from '../../src/ids.ts'
import { createLeads } from '../../src/leads/store.ts'
import { addCredential } from '../../src/tokens/store.ts'
import { createDealer } from '../../src/users/admin.ts'
const place = await openPlace()
const dealers = await Promise.all(Array.from({length: 64}, async (_, at) => {
  const { dealerId } = await createDealer(place.db, { name: 'D'+at, country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' }, { email: `a@${at}.example`, name: 'A', password: 'a-password-for-the-bench' })
  const credentialId = newId()
  await place.db.transaction((trx) => addCredential(trx, dealerId, { id: credentialId, subject: {type:'api_key', id: newId()}, scopes: ['leads:create'], environment: 'live' }, new Date()))
  return { dealerId, credentialId }
}))
const data = JSON.stringify({message:'Can I try number 12 on Saturday?',customer:{name:{given:'Anna',family:'Jensen'},emails:[{address:'Anna.12@customer.example',verdict:'plausible'}],phones:[{number:'20 12 34 56',type:'mobile',e164:'+4520123456',verdict:'valid'}]},locale:'da-DK',vehiclesOfInterest:[{make:'Volvo',model:'EX30',stockNumber:'A-12'}],tradeIns:[],consents:[]})
const { generation } = await place.db('signing_key_generation').first('generation')
const row = (n: number) => { const d = dealers[n % nd]!; return { ...d, epoch: 1, id: newId(), eventId: newId(), type: 'test_drive' as const, test: false, externalReference: undefined, submittedAt: undefined, data, warnings: '[]', idempotency: undefined, original: undefined } }
let nd = 64
const calm = async () => { for (let c = false; !c; ) { const w = stopwatch({ pid: process.pid, databasePid: place.databasePid }); await new Promise((r) => setTimeout(r, 500)); const x = w(); c = (x.foreign + x.server) / 5e5 < 0.2 } }
for (const [dealersCount, size, flight] of [[64,1,1],[64,8,1],[64,16,1],[64,32,1],[64,64,1],[64,128,1],[64,250,1],[1,1,1],[1,16,1],[1,64,1],[1,250,1],[64,32,2],[64,64,2],[64,250,2],[1,64,2]]) {
  nd = dealersCount
  const pool = new pg.Pool({ ...place.connection, max: flight, options: '-c timezone=UTC' }); pool.on('error', () => undefined)
  let n = 0, calls = 0
  const lane = async (until: number) => { while (performance.now() < until) { await createLeads(pool, generation, false, Array.from({length: size}, () => row(n++))); calls++ } }
  await lane(performance.now()+1000)
  await calm()
  n = 0; calls = 0
  const spent = stopwatch({ pid: process.pid, databasePid: place.databasePid })
  const start = performance.now()
  await Promise.all(Array.from({length:flight}, () => lane(performance.now()+2500)))
  const took = performance.now() - start
  const s = spent()
  console.log(`dealers ${dealersCount} group ${size} x ${flight}`, 'leads/s', Math.round(n/took*1000), 'ms/call', (took/calls*flight).toFixed(2), 'pg us/call', (s.database/calls).toFixed(0), 'pg us/lead', (s.database/n).toFixed(1), 'node us/lead', ((s.foreign+s.server)/n).toFixed(1), )
  await pool.end()
}
await place.close()
process.exit(0)
