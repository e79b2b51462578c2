import { LRUCache } from 'lru-cache'
import type pg from 'pg'
import { openAlarm, openJob, type Report } from '../background.ts'
import { isAnswer } from '../db/away.ts'
import { type Limit, type Limits, usedByKeys, type UsedByKeys } from '../limit.ts'
import type { Http, Principal } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Judge } from '../tokens/liveness.ts'
import { type Known, limitReached, policyOf, stateOf, waitSeconds } from './policy.ts'
import { type AskedShare, type GrantedShare, takeShares } from './store.ts'

/** How much of each limit a request uses. */
export type Amounts = Partial<Record<UsedByKeys, number>>

/**
 * Counts what API keys do, right over all processes: each takes shares ahead from one row in the database, hands them
 * out in memory, and gives back what it has no use for. People are not counted.
 */
export interface Meter {
  /** For whoever was judged already. @throws {Problem} 429 `limit-reached`; then nothing was used */
  use(principal: Principal, http: Http, amounts: Amounts): Promise<void>
  /**
   * The same for what is judged as it is done: 401 and 403 of `work` use nothing, and before a 429 the credential is
   * judged.
   *
   * @throws {Problem} 401 `token-invalid`, 403 `scope-missing`, 429 `limit-reached`, and what `work` throws
   */
  used<T>(principal: Principal, http: Http, amounts: Amounts, work: () => Promise<T>): Promise<T>
  /** Gives all shares back. */
  stop(): Promise<void>
}

// A share begins small and doubles while it is used up quickly, so that little lies where it is of no use.
const firstShareOf = 200
const largestShareOf = 10
const quickMs = 2_000
/** What nobody has used by then is of no use here. */
const shareMsMax = 10_000
const lookMs = 2_000
// Whoever is at the limit is not asked for again at once, and an Admin's higher limit is seen soon.
const emptyMsMin = 250
const emptyMsMax = 1_000
const sharesAtOnceMax = 500
const doubtsMax = 10_000

/** What this process has of one limit of one key. */
interface Account {
  readonly dealerId: string
  readonly holderId: string
  readonly name: UsedByKeys
  limit: Limit
  policy: string
  /** What is left of the share, for this process to hand out. */
  share: number
  /** When less is left, more is asked for ahead. */
  low: number
  want: number
  /** What was free for everybody when a share was last asked for, and the end of that day. */
  free: number
  askedAt: number
  dayEndsAt: number
  /** Until then nobody asks for as much as was not to be had, or more. */
  emptyUntil: number
  emptyFor: number
  waiting: { amount: number; settle: (failure?: unknown) => void }[]
  isAsked: boolean
}

/** Without `limits` nothing is counted. */
export function openMeter(hot: pg.Pool, judge: Judge, limits: Limits | undefined, report: Report): Meter {
  return limits ? countingMeter(hot, judge, limits, report) : uncounted
}

export const uncounted: Meter = {
  use: async () => undefined,
  used: (_principal, _http, _amounts, work) => work(),
  stop: async () => undefined,
}

function countingMeter(hot: pg.Pool, judge: Judge, limits: Limits, report: Report): Meter {
  const accounts = new Map<string, Account>()
  /** Credentials that were refused when they were last judged here: the next time they are judged first. */
  const doubts = new LRUCache<string, true>({ max: doubtsMax })
  const asking = new Set<Account>()
  let isAsking = false
  const alarm = openAlarm('taking shares of limits', report)

  const accountOf = ({ dealerId, subject }: Principal, name: UsedByKeys): Account => {
    const key = subject.id + name
    const known = accounts.get(key)
    if (known) return known
    const limit = limits[name]
    const account: Account = {
      dealerId,
      holderId: subject.id,
      name,
      limit,
      policy: policyOf(name, limit),
      share: 0,
      low: 0,
      want: 0,
      free: limit.most,
      askedAt: Number.NEGATIVE_INFINITY,
      dayEndsAt: 0,
      emptyUntil: 0,
      emptyFor: 0,
      waiting: [],
      isAsked: false,
    }
    accounts.set(key, account)
    return account
  }

  const knownOf = (account: Account, now: number): Known => {
    const { name, limit, share, free, askedAt, dayEndsAt } = account
    const back = limit.perSecond === undefined ? 0 : (limit.perSecond * (now - askedAt)) / 1000
    return {
      name,
      limit,
      left: Math.min(limit.most, free + Math.max(0, back)) + share,
      secondsOfDay: Math.max(1, Math.ceil((dayEndsAt - now) / 1000)),
    }
  }

  /** Undefined when it was had at once. */
  const take = (account: Account, amount: number): Promise<void> | undefined => {
    const now = performance.now()
    if (account.waiting.length === 0 && account.share >= amount) {
      account.share -= amount
      if (account.share < account.low && now >= account.emptyUntil) ask(account)
      return undefined
    }
    if (now < account.emptyUntil && amount >= account.emptyFor) throw limitReached(knownOf(account, now), amount)
    return new Promise((resolve, reject) => {
      account.waiting.push({ amount, settle: (failure) => (failure === undefined ? resolve() : reject(failure)) })
      ask(account)
    })
  }

  const ask = (account: Account) => {
    if (account.isAsked) return
    account.isAsked = true
    asking.add(account)
    if (isAsking) return
    isAsking = true
    // All that the requests of one tick need is asked for at once.
    setImmediate(() => void askAll())
  }

  const askAll = async () => {
    while (asking.size > 0) {
      const some = [...asking].slice(0, sharesAtOnceMax)
      for (const account of some) asking.delete(account)
      try {
        const shares = await takeShares(hot, some.map(wantedOf))
        alarm.clear()
        some.forEach((account, at) => {
          account.isAsked = false
          const share = shares[at]
          if (share) receive(account, share)
        })
      } catch (failure) {
        for (const account of some) {
          account.isAsked = false
          for (const { settle } of account.waiting.splice(0)) settle(failure)
        }
        alarm.raise(failure)
      }
    }
    isAsking = false
  }

  const wantedOf = (account: Account): AskedShare => {
    const { dealerId, holderId, name, limit, share, waiting, askedAt } = account
    const first = Math.ceil(limit.most / firstShareOf)
    const isQuick = performance.now() - askedAt < quickMs
    account.want = isQuick ? Math.min(account.want * 2, Math.ceil(limit.most / largestShareOf)) : first
    account.low = account.want > first ? account.want / 4 : 0
    const asked = waiting.reduce((sum, { amount }) => sum + amount, 0)
    const need = Math.max(0, (waiting[0]?.amount ?? 0) - share)
    return {
      dealerId,
      holderId,
      name,
      given: 0,
      need,
      want: Math.max(account.want, asked - share),
      limit: limits[name],
    }
  }

  const receive = (account: Account, { granted, free, most, per_second, seconds_left }: GrantedShare) => {
    const now = performance.now()
    if (most !== account.limit.most || (per_second ?? undefined) !== account.limit.perSecond) {
      account.limit = per_second === null ? { most } : { most, perSecond: per_second }
      account.policy = policyOf(account.name, account.limit)
    }
    account.share += granted
    account.free = free
    account.askedAt = now
    account.dayEndsAt = now + seconds_left * 1000
    while (account.waiting[0] && account.share >= account.waiting[0].amount) {
      account.share -= account.waiting[0].amount
      account.waiting.shift()?.settle()
    }
    const [next] = account.waiting
    if (granted === 0) {
      const known = knownOf(account, now)
      const amount = next?.amount ?? 1
      const wait = waitSeconds(known, amount) * 1000
      account.emptyUntil = now + Math.min(Math.max(wait, emptyMsMin), emptyMsMax)
      account.emptyFor = amount
      // A single lead may fit where a batch does not.
      const refused = account.waiting.filter((each) => each.amount >= amount)
      account.waiting = account.waiting.filter((each) => each.amount < amount)
      for (const each of refused) each.settle(limitReached(known, each.amount))
    }
    if (account.waiting.length > 0) ask(account)
  }

  /** What a process has no use for goes back, and is forgotten here. @throws when it could not be given back */
  const giveBack = async (isOver: (account: Account) => boolean) => {
    const isIdle = (account: Account) => !account.isAsked && account.waiting.length === 0
    const over = [...accounts].filter(([, account]) => isIdle(account) && isOver(account))
    for (let at = 0; at < over.length; at += sharesAtOnceMax) {
      const some = over.slice(at, at + sharesAtOnceMax)
      // Those who come meanwhile ask for a share of their own.
      const given = some.map(([, account]) => ({ account, share: account.share, askedAt: account.askedAt }))
      for (const { account } of given) account.share = 0
      await giveShares(given.filter(({ share }) => share > 0))
      given.forEach(({ account, askedAt }, place) => {
        const key = some[place]?.[0]
        if (key && isIdle(account) && account.share === 0 && account.askedAt === askedAt) accounts.delete(key)
      })
    }
  }
  const giveShares = async (given: readonly { account: Account; share: number }[]) => {
    if (given.length === 0) return
    let wasSent = false
    try {
      const connection = await hot.connect()
      connection.release()
      wasSent = true
      await takeShares(
        hot,
        given.map(({ account: { dealerId, holderId, name }, share }) => ({
          dealerId,
          holderId,
          name,
          given: share,
          need: 0,
          want: 0,
          limit: limits[name],
        })),
      )
    } catch (failure) {
      // Where nobody knows whether it went back, it is gone: what is given twice would be used twice.
      if (!wasSent || isAnswer(failure)) for (const { account, share } of given) account.share += share
      throw failure
    }
  }
  const job = openJob('giving shares of limits back', lookMs, report, () => {
    const now = performance.now()
    return giveBack(({ askedAt }) => now - askedAt > shareMsMax)
  })

  const takeAll = async (principal: Principal, http: Http, amounts: Amounts): Promise<Account[]> => {
    const taken: Account[] = []
    try {
      for (const name of usedByKeys) {
        const amount = amounts[name]
        if (amount === undefined) continue
        const account = accountOf(principal, name)
        const waited = take(account, amount)
        if (waited) await waited
        taken.push(account)
      }
    } catch (refusal) {
      for (const account of taken) account.share += amounts[account.name] ?? 0
      throw refusal
    }
    const now = performance.now()
    let policies = ''
    let states = ''
    for (const account of taken) {
      policies += policies === '' ? account.policy : `, ${account.policy}`
      states += `${states === '' ? '' : ', '}${stateOf(knownOf(account, now))}`
    }
    http.announce('RateLimit-Policy', policies)
    http.announce('RateLimit', states)
    return taken
  }

  return {
    use: async (principal, http, amounts) => {
      if (principal.subject.type === 'api_key') await takeAll(principal, http, amounts)
    },
    used: async (principal, http, amounts, work) => {
      if (principal.subject.type !== 'api_key') return work()
      const { credentialId } = principal
      if (doubts.size > 0 && doubts.has(credentialId)) {
        await judge(principal)
        doubts.delete(credentialId)
      }
      let taken: Account[] | undefined
      try {
        taken = await takeAll(principal, http, amounts)
        return await work()
      } catch (failure) {
        if (!taken && isLimit(failure)) await judge(principal)
        if (taken && isRefusal(failure)) {
          // Else whoever holds a dead token could use up what the living one of the same key may do.
          for (const account of taken) account.share += amounts[account.name] ?? 0
          doubts.set(credentialId, true)
        }
        throw failure
      }
    },
    stop: async () => {
      await job.stop()
      await giveBack(() => true)
    },
  }
}

const isLimit = (failure: unknown) => failure instanceof Problem && failure.status === 429
const isRefusal = (failure: unknown) => failure instanceof Problem && (failure.status === 401 || failure.status === 403)
