import { setPriority } from 'node:os'
import { parentPort, Worker } from 'node:worker_threads'

/** Work that takes long, in a thread of its own with a low priority, one after another. */
export interface Thread<Asked, Answer> {
  ask(asked: Asked): Promise<Answer>
  /** What is asked at that moment fails with `reason`. */
  stop(reason: Error): Promise<void>
}

interface Message<Content> {
  id: number
  content: Content
}

/** What comes back: an answer, or why there is none to this alone. */
type Answered<Answer> = Message<Answer> | { id: number; failure: string }

/** There is no answer to what was asked, while the thread goes on. */
export class Unanswerable extends Error {}

const lowPriority = 10

/** The thread is there while it is asked, and for `idleMs` after; nothing of it is loaded before. */
export function openThread<Asked, Answer>(work: URL, idleMs: number): Thread<Asked, Answer> {
  let worker: Worker | undefined
  let asked = 0
  let idle: NodeJS.Timeout | undefined
  const waiting = new Map<number, PromiseWithResolvers<Answer>>()

  const end = async () => {
    clearTimeout(idle)
    const ended = worker
    worker = undefined
    await ended?.terminate()
  }
  const fail = (reason: unknown) => {
    for (const { reject } of waiting.values()) reject(reason)
    waiting.clear()
  }
  const started = (): Worker => {
    const fresh = new Worker(work)
    fresh.on('message', (answered: Answered<Answer>) => {
      const asker = waiting.get(answered.id)
      if ('failure' in answered) asker?.reject(new Unanswerable(answered.failure))
      else asker?.resolve(answered.content)
      waiting.delete(answered.id)
      if (waiting.size > 0) return
      fresh.unref()
      idle = setTimeout(() => void end(), idleMs).unref()
    })
    const failed = (error: unknown) => {
      if (worker !== fresh) return
      worker = undefined
      fail(error)
    }
    fresh.on('error', failed)
    fresh.on('exit', (code) => failed(new Error(`${work.pathname} ended with ${code}`)))
    return fresh
  }

  return {
    ask: (content) => {
      clearTimeout(idle)
      worker ??= started()
      // A command waits for its answer; a service that is stopped does not.
      worker.ref()
      const answer = Promise.withResolvers<Answer>()
      waiting.set(++asked, answer)
      worker.postMessage({ id: asked, content } satisfies Message<Asked>)
      return answer.promise
    },
    stop: async (reason) => {
      fail(reason)
      await end()
    },
  }
}

/** What a thread does, said in the file that it runs. */
export function answerWith<Asked, Answer>(answer: (asked: Asked) => Answer): void {
  // Elsewhere it would be the priority of the whole process.
  if (process.platform === 'linux') setPriority(lowPriority)
  parentPort?.on('message', ({ id, content }: Message<Asked>) => {
    let answered: Answered<Answer>
    try {
      answered = { id, content: answer(content) }
    } catch (error) {
      answered = { id, failure: error instanceof Error ? error.message : String(error) }
    }
    parentPort?.postMessage(answered)
  })
}
