import { createServer } from 'node:http'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { openDatabase } from '../../src/db/pool.ts'
import { openRecorder } from '../../src/requests/recorder.ts'
import { body, contractOnly } from './contract-only.ts'
import {
  atMost,
  difference,
  generator,
  httpTarget,
  measure,
  ready,
  report,
  type Ready,
  type Target,
} from './harness.ts'
import { openPlace } from './world.ts'

/**
 * What it costs the process to see a request: to note it, and to write it a second later to the log, the counts and the
 * last uses. One process notes in every other stretch, so that both stretches run the same compiled code.
 */
const connections = 4
const rounds = 12
const seconds = 2
// The recorder writes once a second.
const writtenMs = 1_200

async function serve(connection: Parameters<typeof openDatabase>[0]) {
  const { hot } = openDatabase(connection, console.error)
  const recorder = openRecorder(hot, console.error, console.error)
  let isSeeing = true
  process.on('message', (told) => (isSeeing = told === 'seen'))
  const { app, token } = await contractOnly(pino({ level: 'silent' }), {
    ...recorder,
    note: (request) => void (isSeeing && recorder.note(request)),
  })
  await ready(createServer(app).listen(0, '127.0.0.1'), { token })
}

if (process.argv[2]) await serve(JSON.parse(process.argv[2]))
else {
  const place = await openPlace()
  const child = fork(import.meta.filename, [JSON.stringify(place.connection)])
  const [{ port, token }] = (await once(child, 'message')) as [Ready]
  const { databasePid, db } = place
  const pid = child.pid ?? 0
  let done = 0
  const target = (kind: 'unseen' | 'seen'): Target => {
    const { load } = httpTarget(
      { kind, pid, databasePid },
      `http://127.0.0.1:${port}`,
      [{ method: 'POST', path: '/v1/leads', body, ...(token && { token }) }],
      connections,
    )
    return {
      kind,
      pid,
      databasePid,
      load: async (seconds) => {
        child.send(kind)
        const stretch = await load(seconds)
        await sleep(writtenMs)
        if (kind === 'seen') done += stretch.done
        return stretch
      },
    }
  }
  const measured = await measure([target('unseen'), target('seen')], { rounds, seconds })
  const { count = 0 } = (await db('api_key_requests').count({ count: '*' }).first()) ?? {}
  child.disconnect()
  await once(child, 'exit')
  await place.close()
  // What was under way when the load ended was seen and not counted.
  if (Number(count) < done) throw new Error(`${done} requests were answered, ${count} are in the log`)
  report('seeing', `createLead without storing, ${connections} connections by ${generator}`, measured, [
    atMost('seen - unseen, us CPU a request', difference(measured, 'cpuUs', 'seen', 'unseen'), 3),
  ])
}
